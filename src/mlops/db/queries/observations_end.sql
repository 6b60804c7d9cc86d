-- the newest observation of each granularity, of the series of a metric type or of all of them
select s.granularity, max(n.observed_at) as newest
  from analytics.series s
 cross join lateral (select m.observed_at from analytics.time_series_metrics m
                      where m.series_id = s.series_id order by m.observed_at desc limit 1) n
 where (cast(:metric_type as text) is null or s.metric_type = :metric_type)
   and (cast(:granularity as text) is null or s.granularity = :granularity)
 group by s.granularity

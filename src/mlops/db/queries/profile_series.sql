-- the series of a metric type, or all, with the seasons that they may have; those that are profiled alike stand together
select s.series_id, s.granularity, s.time_zone, s.anchor, t.seasons
  from analytics.series s join analytics.metric_types t on t.name = s.metric_type
 where not s.total and (cast(:metric_type as text) is null or s.metric_type = :metric_type)
 order by s.granularity, s.time_zone, s.anchor, t.seasons, s.series_id

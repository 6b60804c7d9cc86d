-- the series of a metric type and a level, or all, with how much there is of each
select s.series_id, analytics.series_name(s) as name, s.metric_type, s.granularity, s.level, s.time_zone, s.tenant_id, s.customer_id, s.route_id, s.vehicle_id, s.driver_id, s.site_id,
       s.labels, count(m.observed_at) as observations, min(m.observed_at) as first, max(m.observed_at) as last,
       avg(m.quality_score) as quality, count(m.quality_score) as scored, s.total
  from analytics.series s left join analytics.time_series_metrics m using (series_id)
 where (cast(:metric_type as text) is null or s.metric_type = :metric_type)
   and (cast(:level as text) is null or s.level = :level)
 group by s.series_id
 order by s.total, s.series_id

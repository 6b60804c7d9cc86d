-- one series with its unit, how much there is of it, and how often it was corrected
select s.series_id, analytics.series_name(s) as name, s.metric_type, t.unit, s.granularity, s.level, s.time_zone, s.tenant_id, s.customer_id, s.route_id, s.vehicle_id, s.driver_id,
       s.site_id, s.labels, s.created_at, count(m.observed_at) as observations, min(m.observed_at) as first,
       max(m.observed_at) as last, avg(m.quality_score) as quality,
       (select count(*) from analytics.time_series_revisions r where r.series_id = s.series_id) as corrections
  from analytics.series s
  join analytics.metric_types t on t.name = s.metric_type
  left join analytics.time_series_metrics m using (series_id)
 where s.series_id = :series_id
 group by s.series_id, t.unit

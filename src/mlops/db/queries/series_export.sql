-- the observations of some series in the long format
select s.metric_type, m.observed_at, m.value, s.customer_id, s.route_id, s.vehicle_id, s.driver_id, s.site_id, s.tenant_id,
       s.granularity, s.time_zone, m.value_lower, m.value_upper, m.quality_score, s.labels::text as labels
  from analytics.series s join analytics.time_series_metrics m using (series_id)
 where s.series_id = any(cast(:series_ids as bigint[]))
 order by s.series_id, m.observed_at

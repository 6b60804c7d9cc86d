drop view analytics.time_series;
create view analytics.time_series as
select s.tenant_id, s.metric_type, t.unit, s.granularity, s.series_id, s.customer_id, s.route_id, s.vehicle_id, s.driver_id, s.site_id,
       m.observed_at, m.value, m.value_lower, m.value_upper, m.quality_score, m.is_anomaly, m.anomaly_score, m.recorded_at,
       s.labels, s.service_area, s.seasonality, s.external_factors, s.time_zone, s.level
  from analytics.time_series_metrics m
  join analytics.series s using (series_id)
  join analytics.metric_types t on t.name = s.metric_type;
comment on view analytics.time_series is 'Observations under their wide names.';

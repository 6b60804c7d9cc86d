-- A view of observations says which local day they are of, so that no session's time zone moves one.

create or replace view analytics.time_series as
select s.tenant_id, s.metric_type, t.unit, s.granularity, s.series_id, s.customer_id, s.route_id, s.vehicle_id, s.driver_id, s.site_id,
       m.observed_at, m.value, m.value_lower, m.value_upper, m.quality_score, m.is_anomaly, m.anomaly_score, m.recorded_at,
       s.labels, s.service_area, s.seasonality, s.external_factors, s.time_zone, s.level, analytics.local_day(m.observed_at, g.dated, s.time_zone) as day
  from analytics.time_series_metrics m
  join analytics.series s using (series_id)
  join analytics.metric_types t on t.name = s.metric_type
  left join analytics.granularities g on g.name = s.granularity;
comment on view analytics.time_series is 'One row per observation under wide names: what, of whom, when, on which local day, and the value as it stands now. A route''s customers and the route itself each have rows, which measure the same: choose a level before you add up, see analytics.series_parts. A condition on observed_at lets PostgreSQL read the months that it names alone. Months that are archived are not in it.';

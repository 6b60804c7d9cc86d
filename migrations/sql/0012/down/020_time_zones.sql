drop view analytics.time_series;
create view analytics.time_series as
select s.tenant_id, s.metric_type, t.unit, s.granularity, s.series_id, s.customer_id, s.route_id, s.vehicle_id, s.driver_id, s.site_id,
       m.observed_at, m.value, m.value_lower, m.value_upper, m.quality_score, m.is_anomaly, m.anomaly_score, m.recorded_at,
       s.labels, s.service_area, s.seasonality, s.external_factors
  from analytics.time_series_metrics m
  join analytics.series s using (series_id)
  join analytics.metric_types t on t.name = s.metric_type;
comment on view analytics.time_series is 'Observations under their wide names.';

-- days are UTC days again
insert into analytics.dirty_days (series_id, first_day, last_day)
select s.series_id, min(m.observed_at at time zone 'UTC')::date - 1, max(m.observed_at at time zone 'UTC')::date + 1
  from analytics.series s join analytics.granularities g on g.name = s.granularity join analytics.time_series_metrics m using (series_id)
 where s.time_zone <> 'UTC' and not g.dated
 group by s.series_id;
drop trigger change_time_zone on analytics.series;
drop function analytics.change_time_zone();
alter table analytics.series drop column time_zone, drop column anchor;
drop function analytics.is_time_zone(text), analytics.step_anchor(int, int, boolean, timestamptz),
    analytics.begins_step(int, int, boolean, text, int, timestamptz);

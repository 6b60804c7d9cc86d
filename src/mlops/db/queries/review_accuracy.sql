-- how good the forecasts of versions for the last 7 and 28 days were, and the seasonal naive from the same cutoffs
with served as (
    select v.version_id, c.step, c.cycle
      from analytics.model_versions v
      join (values ('hourly', interval '1 hour', 24), ('daily', interval '1 day', 7), ('weekly', interval '7 days', 4), ('monthly', interval '1 month', 12))
           as c (granularity, step, cycle) on c.granularity = coalesce(v.lineage -> 'selection' ->> 'granularity', 'daily')
     where v.version_id = any(:version_ids)
)
select p.version_id, d.days, count(*) as forecasts,
       sum(abs(p.y_hat - p.outcome)) / nullif(sum(abs(p.outcome)), 0) as wape,
       sum(abs(n.value - p.outcome)) / nullif(sum(abs(p.outcome)), 0) as wape_naive,
       avg((p.outcome between p.lo_80 and p.hi_80)::int)::float8 as coverage_80,
       avg((p.outcome between p.lo_95 and p.hi_95)::int)::float8 as coverage_95
  from served s
  join analytics.model_prediction_results p on p.version_id = s.version_id
  join analytics.time_series_metrics n
    on n.series_id = p.series_id and n.observed_at = p.target_at - s.step * (ceil(p.horizon / s.cycle::float8) * s.cycle)
  join (values (7), (28)) as d (days) on p.target_at >= :as_of - make_interval(days => d.days)
 where p.outcome_recorded_at <= :as_of and p.issued_at <= :as_of and p.target_at >= :as_of - interval '28 days' and p.target_at < :as_of
 group by p.version_id, d.days

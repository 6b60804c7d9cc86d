-- how good the forecasts of versions for the last 7 days and for the recent days of their granularity (28 of days) were, and the seasonal naive
-- from the same cutoffs
with served as (
    select v.version_id, c.cycle as steps, case when c.seconds = 0 and c.months = 0 then interval '7 days' else c.step * c.cycle end as cycle,  -- five weekdays are a week
           c.recent_days
      from analytics.model_versions v
      join analytics.granularities c on c.name = coalesce(v.lineage -> 'selection' ->> 'granularity', 'daily')
     where v.version_id = any(:version_ids)
), forecasts as materialized (  -- when the naive looks back to is known before the join, so that its month is found by it
    select p.version_id, p.series_id, p.target_at, p.outcome, p.y_hat, p.lo_80, p.hi_80, p.lo_95, p.hi_95,
           p.target_at - s.cycle * ceil(p.horizon / s.steps::float8) as naive_at
      from served s join analytics.model_prediction_results p using (version_id)
     where p.outcome_recorded_at <= :as_of and p.issued_at <= :as_of and p.target_at < :as_of and p.target_at >= :as_of - make_interval(days => s.recent_days)
       and p.target_at >= :as_of - make_interval(days => (select max(recent_days) from served))  -- so that older months are not read
), judged as (
    select f.*, n.value as naive
      from forecasts f
      join analytics.time_series_metrics n on n.series_id = f.series_id and n.observed_at = f.naive_at
     where n.observed_at between (select min(naive_at) from forecasts) and (select max(naive_at) from forecasts)
)
select version_id, recent, count(*) as forecasts,
       sum(abs(y_hat - outcome)) / nullif(sum(abs(outcome)), 0) as wape,
       sum(abs(naive - outcome)) / nullif(sum(abs(outcome)), 0) as wape_naive,
       avg((outcome between lo_80 and hi_80)::int)::float8 as coverage_80,
       avg((outcome between lo_95 and hi_95)::int)::float8 as coverage_95
  from judged join (values (false), (true)) as d (recent) on recent or target_at >= :as_of - interval '7 days'
 group by version_id, recent

-- by week of the target, all versions of a model that were served: error of the forecasts and of the seasonal naive from the same cutoff
with judged as (
    select date_trunc('week', p.target_at, 'UTC') as week, p.outcome, p.y_hat, p.lo_80, p.hi_80, p.lo_95, p.hi_95, n.value as naive
      from analytics.model_prediction_results p
      join analytics.model_versions v using (version_id)
      join analytics.time_series_metrics n
        on n.series_id = p.series_id
       and n.observed_at = p.target_at - cast(:step as interval) * (ceil(p.horizon / cast(:cycle as float8)) * :cycle)
     where v.name = :name and p.outcome_recorded_at <= :as_of and p.target_at < :as_of and p.issued_at <= :as_of
)
select week, count(*) as forecasts, sum(abs(outcome)) as size,
       sum(abs(y_hat - outcome)) / nullif(sum(abs(outcome)), 0) as wape,
       sum(abs(naive - outcome)) / nullif(sum(abs(outcome)), 0) as wape_naive,
       avg((outcome between lo_80 and hi_80)::int)::float8 as coverage_80,
       avg((outcome between lo_95 and hi_95)::int)::float8 as coverage_95
  from judged group by week order by week

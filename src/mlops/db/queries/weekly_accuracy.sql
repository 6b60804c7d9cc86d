-- by week of the target, the freshest forecast of whichever version was served: its error, and that of the seasonal naive from the same cutoff
with judged as (
    select distinct on (p.series_id, p.target_at) date_trunc('week', p.target_at, 'UTC') as week, p.outcome, p.y_hat, p.lo_80, p.hi_80, p.lo_95, p.hi_95, n.value as naive
      from analytics.model_prediction_results p
      join analytics.model_versions v using (version_id)
      join (select version_id, min(valid_from) as since, max(coalesce(valid_to, 'infinity')) as until, min(min(valid_from)) over (partition by model_id) as first
              from analytics.model_aliases where alias = 'champion' group by model_id, version_id) c using (version_id)  -- what a challenger forecasts is nobody's plan
      left join analytics.time_series_metrics n
        on n.series_id = p.series_id
       and n.observed_at = p.target_at - cast(:cycle as interval) * ceil(p.horizon / cast(:steps as float8))
     where v.name = :name and p.parts is null and p.outcome_recorded_at <= :as_of and p.target_at < :as_of and p.issued_at <= :as_of
       and (c.since <= :as_of or c.first > :as_of)  -- younger than the review are they all when the past is replayed
     order by p.series_id, p.target_at, p.cutoff desc, p.issued_at >= c.since and p.issued_at < c.until desc, p.version_id desc
)
select week, count(*) as forecasts, sum(abs(outcome)) as size,
       sum(abs(y_hat - outcome)) / nullif(sum(abs(outcome)), 0) as wape,
       sum(abs(naive - outcome)) / nullif(sum(abs(outcome)) filter (where naive is not null), 0) as wape_naive,
       avg((outcome between lo_80 and hi_80)::int)::float8 as coverage_80,
       avg((outcome between lo_95 and hi_95)::int)::float8 as coverage_95
  from judged group by week order by week

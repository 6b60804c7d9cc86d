-- the four series of a model with the largest outcomes, day by day: the freshest forecast with its intervals against the outcome
with freshest as (
    select distinct on (p.series_id, p.target_at) p.series_id, p.target_at, p.y_hat, p.lo_80, p.hi_80, p.lo_95, p.hi_95,
           case when p.outcome_recorded_at <= :as_of then p.outcome end as outcome
      from analytics.model_prediction_results p
      join analytics.model_versions v using (version_id)
      join (select version_id, min(valid_from) as since, max(coalesce(valid_to, 'infinity')) as until, min(min(valid_from)) over (partition by model_id) as first
              from analytics.model_aliases where alias = 'champion' group by model_id, version_id) c using (version_id)  -- what a challenger forecasts is nobody's plan
     where v.model_id = :model_id and p.parts is null and p.issued_at <= :as_of and p.target_at >= :start and p.target_at < :as_of
       and (c.since <= :as_of or c.first > :as_of)  -- younger than the review are they all when the past is replayed
     order by p.series_id, p.target_at, p.cutoff desc, p.issued_at >= c.since and p.issued_at < c.until desc, p.version_id desc
), largest as (
    select series_id, sum(abs(outcome)) as size, count(outcome) as forecasts,
           sum(abs(y_hat - outcome)) / nullif(sum(abs(outcome)), 0) as wape,
           avg((outcome between lo_80 and hi_80)::int)::float8 as coverage_80,
           avg((outcome between lo_95 and hi_95)::int)::float8 as coverage_95
      from freshest group by series_id order by size desc nulls last, series_id limit 4
)
select l.series_id, l.forecasts, l.wape, l.coverage_80, l.coverage_95,
       analytics.series_name(s) as place,
       f.target_at as ds, f.outcome, f.y_hat, f.lo_80, f.hi_80, f.lo_95, f.hi_95
  from freshest f join largest l using (series_id) join analytics.series s using (series_id)
 order by l.size desc nulls last, l.series_id, f.target_at

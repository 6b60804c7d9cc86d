-- Stored forecasts, read.

-- name: forecast_versions
-- the versions of a model, or of all, with the aliases that point at them now, their series, horizon and granularity
select v.version_id, v.name, v.version, v.deleted_at is null as live,
       (v.lineage -> 'recipe' ->> 'horizon')::int as horizon, v.lineage -> 'selection' ->> 'granularity' as granularity,
       (v.lineage -> 'series') || t.totals as series,
       coalesce(array_agg(a.alias order by a.alias) filter (where a.alias is not null), '{}') as aliases
  from analytics.model_versions v
 cross join lateral (  -- of its series and of their totals, and of weeks of either
       select coalesce(jsonb_agg(series_id), '[]') as totals
         from (select f.series_id from analytics.forecast_parts f where f.version_id = v.version_id
               union
               select w.series_id from analytics.series w
                where w.weeks_of in (select f.series_id from analytics.forecast_parts f where f.version_id = v.version_id
                                     union all select j::bigint from jsonb_array_elements_text(v.lineage -> 'series') j)) s) t
  left join analytics.model_aliases a on a.version_id = v.version_id and a.valid_to is null
 where v.lineage -> 'selection' is not null and (cast(:name as text) is null or v.name = :name)
 group by v.version_id, t.totals
 order by v.name, v.created_at

-- name: forecast_newest
-- the newest target for which versions have forecast, as known at :as_of; each is looked up by its index, newest month first
select max(n.target_at)
  from unnest(cast(:version_ids as bigint[])) v (version_id)
 cross join lateral (
       select p.target_at from analytics.model_prediction_results p
        where p.version_id = v.version_id and p.issued_at <= :as_of
        order by p.target_at desc limit 1) n

-- name: forecast_list
-- what versions forecast from each cutoff, for some series or all, as known at :as_of: how much, and the error where outcomes were known
select p.version_id, p.cutoff, max(p.issued_at) as issued_at, count(distinct p.series_id) as series, max(p.horizon) as steps,
       count(*) as forecasts, count(o.y) as outcomes,
       sum(abs(p.y_hat - o.y)) / nullif(sum(abs(o.y)), 0) as wape
  from analytics.model_prediction_results p
 cross join lateral (select case when p.outcome_recorded_at <= :as_of then p.outcome end as y) o
 where p.version_id = any(:version_ids) and p.target_at >= :start and p.target_at < :end_at and p.issued_at <= :as_of
   and (case when cast(:series_ids as bigint[]) is null then p.parts is null else p.series_id = any(:series_ids) end)
   and p.cutoff >= :cutoff_from and p.cutoff < :cutoff_to
 group by p.version_id, p.cutoff
 order by p.cutoff desc, p.version_id desc

-- name: forecast_rows
-- the forecasts of versions for some series or all, with the outcomes that were known at :as_of
select p.version_id, p.series_id, p.target_at as ds, p.cutoff, p.y_hat, p.lo_80, p.hi_80, p.lo_95, p.hi_95,
       case when p.outcome_recorded_at <= :as_of then p.outcome end as outcome
  from analytics.model_prediction_results p
 where p.version_id = any(:version_ids) and p.target_at >= :start and p.target_at < :end_at and p.issued_at <= :as_of
   and (case when cast(:series_ids as bigint[]) is null then p.parts is null else p.series_id = any(:series_ids) end)
   and p.cutoff >= :cutoff_from and p.cutoff < :cutoff_to
 order by p.version_id, p.series_id, p.cutoff, p.target_at

-- name: forecast_span
-- the first and the last target of a version's forecasts, and when the newest was issued, as known at :as_of
select max(target_at) as forecast_until, max(issued_at) as issued_at, min(target_at) as forecast_from
  from analytics.model_prediction_results
 where version_id = :version_id and issued_at <= :as_of

-- name: newest_issue
-- the newest time for which forecasts of a model were issued
select max(p.issued_at) from analytics.model_prediction_results p join analytics.model_versions v using (version_id) where v.name = :name

-- name: freshest_predictions
-- the freshest forecast of a version for every series and past day, with the outcome if it was known at :as_of, and the seasonal naive
-- from the same cutoff
select distinct on (p.series_id, p.target_at)
       p.series_id, p.target_at as ds, p.cutoff, p.issued_at, p.horizon, p.y_hat, p.lo_80, p.hi_80, p.lo_95, p.hi_95,
       case when p.outcome_recorded_at <= :as_of then p.outcome end as y, n.value as naive
  from analytics.model_prediction_results p
  left join analytics.time_series_metrics n
    on n.series_id = p.series_id
   and n.observed_at = p.target_at - cast(:cycle as interval) * ceil(p.horizon / cast(:steps as float8))
 where p.version_id = :version_id and p.parts is null and p.issued_at <= :as_of and p.target_at < :as_of and p.target_at >= :start
 order by p.series_id, p.target_at, p.cutoff desc

-- name: freshest_judged_predictions
-- the freshest forecast of a version for every series and day of a window whose outcome was known at :as_of, with when it was issued
select distinct on (p.series_id, p.target_at)
       p.series_id, p.target_at as ds, p.cutoff, p.issued_at, p.horizon, p.y_hat, p.outcome as y
  from analytics.model_prediction_results p
 where p.version_id = :version_id and p.parts is null and p.target_at >= :start and p.target_at < :end_at
   and p.issued_at >= :issued_from and p.issued_at <= :as_of and p.outcome_recorded_at <= :as_of
 order by p.series_id, p.target_at, p.cutoff desc

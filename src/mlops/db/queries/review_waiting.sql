-- by version, how many forecasts are past, and how many of those still have no outcome
select version_id, count(*) as due, count(*) filter (where waits) as forecasts, count(distinct series_id) filter (where waits) as series,
       min(target_at) filter (where waits) as oldest
  from (select version_id, series_id, target_at, coalesce(outcome_recorded_at > :as_of, true) as waits
          from analytics.model_prediction_results
         where version_id = any(:version_ids) and parts is null and issued_at <= :as_of and target_at < :as_of) p
 group by version_id

-- how many of a version's forecasts are past, and how many of those still have no outcome
select count(*) as due, count(*) filter (where waits) as forecasts, count(distinct series_id) filter (where waits) as series,
       min(target_at) filter (where waits) as oldest
  from (select series_id, target_at, coalesce(outcome_recorded_at > :as_of, true) as waits
          from analytics.model_prediction_results
         where version_id = :version_id and issued_at <= :as_of and target_at < :as_of) p

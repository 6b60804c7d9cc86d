-- writes outcomes known at :as_of onto predictions whose outcome is missing or has been corrected since
update analytics.model_prediction_results p
   set outcome = o.value, outcome_recorded_at = o.recorded_at, matched_at = :as_of
  from analytics.time_series_metrics o
 where o.series_id = p.series_id and o.observed_at = p.target_at
   and p.target_at < :as_of and o.recorded_at <= :as_of
   and coalesce(o.quality_score, 1) > 0
   and p.outcome is distinct from o.value

-- until when a version has forecast, when the newest of it was issued, and when it began, as known at :as_of
select max(target_at) as forecast_until, max(issued_at) as issued_at, min(target_at) as forecast_from
  from analytics.model_prediction_results
 where version_id = :version_id and issued_at <= :as_of

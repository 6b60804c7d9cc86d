-- records what acting on a recommendation saved, once
update analytics.retraining_recommendations set realised_benefit = :benefit, realised_at = :as_of
 where recommendation_id = :recommendation_id and status = 'done' and realised_at is null

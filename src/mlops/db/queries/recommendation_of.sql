-- the recommendation of a version for one week
select recommendation_id from analytics.retraining_recommendations where version_id = :version_id and as_of = :as_of

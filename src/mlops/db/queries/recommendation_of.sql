-- the recommendation of a version for one week that stands
select recommendation_id, action, reasons, rule_version, status
  from analytics.retraining_recommendations
 where version_id = :version_id and as_of = :as_of and replaced_by is null

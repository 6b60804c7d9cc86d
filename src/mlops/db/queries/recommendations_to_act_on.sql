-- open or accepted recommendations that ask for something
select r.recommendation_id, v.name, v.version, r.as_of, r.action, r.reasons
  from analytics.retraining_recommendations r join analytics.model_versions v using (version_id)
 where r.status in ('open', 'accepted') and r.action <> 'none'
 order by r.as_of, r.recommendation_id

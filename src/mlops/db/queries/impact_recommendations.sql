-- open recommendations about versions that ask for something, oldest first
select r.recommendation_id, v.name, v.version, r.as_of, r.action, r.reasons
  from analytics.retraining_recommendations r join analytics.model_versions v using (version_id)
 where r.version_id = any(:version_ids) and r.status = 'open' and r.action <> 'none'
 order by r.as_of, r.recommendation_id

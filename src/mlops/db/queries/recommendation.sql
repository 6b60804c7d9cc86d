-- one recommendation with the version that it is about
select r.recommendation_id, r.as_of, r.action, r.reasons, r.status, r.verdict, r.retrained_version_id,
       v.version_id, v.name, v.version, v.kind, v.run_id, v.lineage
  from analytics.retraining_recommendations r join analytics.model_versions v using (version_id)
 where r.recommendation_id = :recommendation_id

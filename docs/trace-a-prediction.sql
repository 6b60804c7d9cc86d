-- From a stored prediction to its model version, run, feature versions, training window, drift findings,
-- the recommendation that they led to, and the retraining that it caused.
-- psql "$(mlops db url)" -v prediction_id=1 -x -f docs/trace-a-prediction.sql
select p.prediction_id, p.series_id, p.cutoff, p.target_at, p.y_hat, p.outcome, p.error,
       v.name as model, v.version, v.kind, v.run_id, v.as_of as known_at, v.trained_from, v.trained_to,
       v.lineage ->> 'content_sha256' as training_data_sha256,
       (select array_agg(format('%s@%s', f.name, f.version) order by f.name)
          from analytics.model_version_features e join analytics.model_feature_store f using (feature_id)
         where e.version_id = v.version_id) as features,
       (select array_agg(format('%s %s: %s', t.kind, t.subject, t.detail) order by t.kind, t.subject)
          from analytics.recommendation_findings l join analytics.model_performance_tracking t using (finding_id)
         where l.recommendation_id = r.recommendation_id) as drift_findings,
       r.recommendation_id, r.as_of as recommended_at, r.action as recommendation, r.reasons, r.verdict,
       n.version as retrained_version, n.run_id as retrained_run
  from analytics.model_prediction_results p
  join analytics.model_versions v using (version_id)
  left join lateral (
       select * from analytics.retraining_recommendations
        where version_id = p.version_id and as_of > p.issued_at and replaced_by is null
        order by (retrained_version_id is not null) desc, (action in ('retrain', 'rollback')) desc, as_of
        limit 1) r on true
  left join analytics.model_versions n on n.version_id = r.retrained_version_id
 where p.prediction_id = :prediction_id

-- One prediction, followed both ways; psql takes this file as it is.

-- name: trace_prediction
-- from a stored prediction back to what made it and on to what it caused
-- psql "$(mlops db url)" -x -v prediction_id=1 -f src/mlops/db/queries/trace_prediction.sql
select p.prediction_id, p.series_id, s.metric_type, p.issued_at, p.cutoff, p.target_at, p.horizon, p.y_hat, p.lo_80, p.hi_80,
       p.outcome, p.outcome_recorded_at, p.error, p.request_id, p.parts, w.summed,
       v.version_id, v.name as model, v.version, v.kind, v.run_id, v.created_at as registered_at, v.deleted_at,
       v.as_of as known_at, v.trained_from, v.trained_to, v.lineage_state, v.lineage_problem,
       nullif(concat_ws('; ', v.verified_problem, v.altered), '') as changed, v.lineage_sha256,
       v.lineage ->> 'content_sha256' as training_data_sha256, (v.lineage ->> 'rows')::bigint as training_rows,
       jsonb_array_length(v.lineage -> 'series') as training_series, v.lineage ->> 'code_version' as code_version,
       (select coalesce(jsonb_agg(jsonb_build_object('feature', f.name, 'version', f.version, 'definition_sha256', f.definition_sha256,
                                  'importance', e.importance) order by e.importance desc nulls last, f.name), '[]')
          from analytics.model_version_features e join analytics.model_feature_store f using (feature_id)
         where e.version_id = v.version_id) as features,
       (select jsonb_build_object('promotion_id', d.promotion_id, 'decided_at', d.decided_at, 'decided_by', d.decided_by,
                                  'reason', d.reason, 'forced', d.forced)
          from analytics.alias_decisions a join analytics.promotions d using (promotion_id)
         where a.version_id = v.version_id and a.alias = 'champion' and a.decided_at <= p.created_at
           and a.valid_from <= p.created_at and coalesce(a.valid_to, 'infinity') > p.created_at
         order by promotion_id desc limit 1) as promotion,
       r.recommendation_id, r.as_of as recommended_at, r.action as recommendation, r.reasons, r.status, r.verdict,
       (select coalesce(jsonb_agg(jsonb_build_object('kind', t.kind, 'subject', t.subject, 'detail', t.detail) order by t.kind, t.subject), '[]')
          from analytics.recommendation_findings l join analytics.model_performance_tracking t using (finding_id)
         where l.recommendation_id = r.recommendation_id) as drift_findings,
       n.version as retrained_version, n.run_id as retrained_run
  from analytics.model_prediction_results p
  join analytics.series s using (series_id)
  join analytics.model_versions v using (version_id)
  left join lateral (  -- of a total: the series whose forecasts it sums
       select coalesce((select to_jsonb(f.parts) from analytics.forecast_parts f
                         where f.version_id = p.version_id and f.series_id = coalesce(s.weeks_of, p.series_id) and f.cutoff = p.cutoff),
                       to_jsonb(array[s.weeks_of])) as summed
        where p.parts is not null) w on true
  left join lateral (
       select * from analytics.retraining_recommendations
        where version_id = p.version_id and as_of > p.issued_at and replaced_by is null
        order by (retrained_version_id is not null) desc, (action in ('retrain', 'rollback', 'fallback', 'promote')) desc, as_of
        limit 1) r on true
  left join analytics.model_versions n on n.version_id = r.retrained_version_id
 where p.prediction_id = :prediction_id

-- live versions of a model (of all without a name) with their lineage and features, for export
select v.version_id, v.name, v.version, v.created_at, coalesce(v.run_began_at, v.created_at) as began_at,
       greatest(v.run_ended_at, coalesce(v.run_began_at, v.created_at)) as ended_at, v.kind, v.run_id, v.tags, v.run_tags, v.params, v.metrics,
       v.lineage, v.lineage_sha256, v.lineage_problem, v.as_of, v.trained_from, v.trained_to, m.description,
       current_database() as database,
       coalesce((select jsonb_agg(jsonb_build_object('name', f.name, 'version', f.version, 'dtype', f.dtype, 'owner', f.owner,
                                                     'source_metric_types', f.source_metric_types,
                                                     'transformation', f.transformation, 'description', f.description,
                                                     'importance', e.importance) order by f.name)
                   from analytics.model_version_features e join analytics.model_feature_store f using (feature_id)
                  where e.version_id = v.version_id), '[]') as features
  from analytics.model_versions v join analytics.registered_models m using (model_id)
 where v.deleted_at is null and (cast(:name as text) is null or v.name = :name)
 order by v.name, v.version

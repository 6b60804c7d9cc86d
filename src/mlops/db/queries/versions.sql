-- Model versions: which are live, where aliases point, what each was made from.

-- name: live_version
-- the row of the mirror of a live version
select version_id, name, version, created_at, kind, run_id, tags, metrics, lineage, lineage_sha256, lineage_state, lineage_problem, verified_problem, altered, as_of, trained_from, trained_to
  from analytics.model_versions where name = :name and version = :version and deleted_at is null

-- name: list_versions
-- live versions with the aliases that point at them now
select v.name, v.version, v.kind, v.as_of, v.trained_from, v.trained_to, v.run_id, v.metrics, v.lineage_state, v.lineage_problem,
       nullif(concat_ws('; ', v.verified_problem, v.altered), '') as changed, v.created_at,
       coalesce(array_agg(a.alias order by a.alias) filter (where a.alias is not null), '{}') as aliases
  from analytics.model_versions v
  left join analytics.model_aliases a on a.version_id = v.version_id and a.valid_to is null
 where v.deleted_at is null
 group by v.version_id
 order by v.name, v.version

-- name: current_aliases
-- which version every alias points to now
select m.name, a.alias, v.version
  from analytics.model_aliases a
  join analytics.registered_models m using (model_id)
  join analytics.model_versions v using (version_id)
 where a.valid_to is null
 order by m.name, a.alias

-- name: lineage_of_version
-- what a live version was made from
select name, version, kind, run_id, as_of, trained_from, trained_to, lineage, lineage_sha256, lineage_state, lineage_problem, nullif(concat_ws('; ', verified_problem, altered), '') as changed, metrics, params
  from analytics.model_versions where name = :name and version = :version and deleted_at is null

-- name: lineage_features
-- the features of a live version, the most important first
select f.name, f.version, f.definition_sha256, f.dtype, f.source_metric_types, f.transformation, f.owner, e.importance
  from analytics.model_versions v
  join analytics.model_version_features e using (version_id)
  join analytics.model_feature_store f using (feature_id)
 where v.name = :name and v.version = :version and v.deleted_at is null
 order by e.importance desc nulls last, f.name

-- name: model_selection
-- what the versions of a model were trained on, the newest first
select lineage -> 'selection' ->> 'metric_type' as metric_type, lineage -> 'selection' ->> 'granularity' as granularity
  from analytics.model_versions
 where name = :name and lineage -> 'selection' is not null
 order by seen_at desc, version desc limit 1

-- name: version_of_request
-- the newest live version that a training registered for a request, whatever tags the registry has now
select v.version
  from analytics.model_anchors a join analytics.model_versions v using (version_id)
 where v.name = :name and v.deleted_at is null and a.anchored_by = 'training' and a.tags ->> 'mlops.request' = :request
 order by v.version desc
 limit 1

-- name: export_versions
-- live versions of a model (without a name: of all) with their lineage and features, for export
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

-- name: export_requests
-- what was forecast since a time, request by request; a target is at most 28 days before its issue, or the recent days of
-- longer steps
select p.version_id, p.request_id, p.issued_at, min(p.created_at) as began_at, max(p.created_at) as ended_at,
       count(*) as forecasts, count(distinct p.series_id) as series, min(p.cutoff) as cutoff,
       min(p.target_at) as first_target, max(p.target_at) as last_target
  from analytics.model_prediction_results p
 where p.version_id = any(:version_ids) and p.parts is null and p.issued_at >= :since and p.target_at >= cast(:since as timestamptz) - make_interval(days => (
          select coalesce(max(g.recent_days), 28) from analytics.model_versions v
            join analytics.granularities g on g.name = v.lineage -> 'selection' ->> 'granularity' where v.version_id = any(:version_ids)))
   and p.request_id is not null
 group by p.version_id, p.request_id, p.issued_at
 order by p.version_id, p.issued_at, p.request_id

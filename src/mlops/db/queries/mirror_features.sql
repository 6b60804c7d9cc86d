-- lineage edges, as the models declare them; an edge whose definition is not in the feature store marks the version
with declared as (
    select v.version_id, f.key as name, f.value ->> 'definition_sha256' as definition_sha256,
           (v.metrics ->> ('importance.' || f.key))::float8 as importance
      from jsonb_to_recordset(cast(:document as jsonb) -> 'versions') as d (name text, version int, created_at timestamptz)
      join analytics.model_versions v using (name, version, created_at)
     cross join lateral jsonb_each(v.lineage -> 'features') f
), edges as (
    insert into analytics.model_version_features (version_id, feature_id, importance)
    select d.version_id, s.feature_id, d.importance
      from declared d join analytics.model_feature_store s using (name, definition_sha256)
        on conflict (version_id, feature_id) do nothing
)
update analytics.model_versions v
   set lineage_state = 'incomplete', lineage_problem = 'a declared feature is not in the feature store'
  from declared d
 where d.version_id = v.version_id and v.lineage_state = 'complete'
   and not exists (select from analytics.model_feature_store s where (s.name, s.definition_sha256) = (d.name, d.definition_sha256))

-- versions that waited for a definition which the feature store now has
select array_agg(v.version_id)
  from analytics.model_versions v
 where v.deleted_at is null and v.lineage_problem = 'a declared feature is not in the feature store'
   and not exists (
       select from jsonb_each(v.lineage -> 'features') f
        where not exists (select from analytics.model_feature_store s
                           where s.name = f.key and s.definition_sha256 = f.value ->> 'definition_sha256'))

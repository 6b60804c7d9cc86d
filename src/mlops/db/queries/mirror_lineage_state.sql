-- marks the versions, of some, of which a declared feature is not in the feature store, and clears the mark when it is
with missing as (
    select v.version_id, v.lineage_problem as problem, exists (
           select from jsonb_each(v.lineage -> 'features') f
            where not exists (select from analytics.model_feature_store s
                               where s.name = f.key and s.definition_sha256 = f.value ->> 'definition_sha256')) as some
      from analytics.model_versions v
     where v.version_id = any (cast(:versions as bigint[])) and v.lineage is not null
)
update analytics.model_versions v
   set lineage_state = case when m.some then 'incomplete' else 'complete' end,
       lineage_problem = case when m.some then 'a declared feature is not in the feature store' end
  from missing m
 where m.version_id = v.version_id
   and case when m.some then v.lineage_state = 'complete' else v.lineage_problem = 'a declared feature is not in the feature store' end

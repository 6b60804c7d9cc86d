-- model versions as MLflow's tables hold them; those of prompts are left out
select v.name, v.version, to_timestamp(v.creation_time / 1000.0) as created_at, nullif(v.description, '') as description,
       v.current_stage as stage, v.status, nullif(v.source, '') as source, nullif(v.run_id, '') as run_id, coalesce(t.tags, '{}') as tags
  from model_versions v
  left join (select name, version, jsonb_object_agg(key, coalesce(value, '')) as tags
               from model_version_tags where workspace = 'default' group by name, version) t using (name, version)
 where v.workspace = 'default' and v.current_stage <> 'Deleted_Internal'
   and v.name not in (select p.name from model_version_tags p
                       where p.workspace = 'default' and p.key = 'mlflow.prompt.is_prompt' and p.value = 'true')

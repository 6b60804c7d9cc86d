-- registered models as MLflow's tables hold them; prompts, which share the tables, are left out
select m.name, to_timestamp(m.creation_time / 1000.0) as created_at, nullif(m.description, '') as description,
       coalesce(t.tags, '{}') as tags, coalesce(a.aliases, '{}') as aliases
  from registered_models m
  left join (select name, jsonb_object_agg(key, coalesce(value, '')) as tags
               from registered_model_tags where workspace = 'default' group by name) t using (name)
  left join (select name, jsonb_object_agg(alias, version) as aliases
               from registered_model_aliases where workspace = 'default' group by name) a using (name)
 where m.workspace = 'default' and (t.tags ->> 'mlflow.prompt.is_prompt') is distinct from 'true'

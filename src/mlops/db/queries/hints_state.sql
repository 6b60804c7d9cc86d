-- MLflow's registry tables as the search path finds them: whether each is there, and whether it tells of its changes
select t.name, to_regclass(t.name) is not null as there,
       exists (select from pg_trigger g
                where g.tgrelid = to_regclass(t.name) and g.tgname = 'mlops_registry_hint' and g.tgenabled <> 'D') as tells
  from unnest('{registered_models,model_versions,registered_model_aliases,model_version_tags,registered_model_tags,runs}'::text[]) t (name)

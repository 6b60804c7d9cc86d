-- whether MLflow's tables are here, with the columns that registry_models, registry_versions and registry_runs read
select bool_and(a.attname is not null) as known
  from (values ('registered_models', '{workspace,name,creation_time,description}'::text[]),
               ('registered_model_tags', '{workspace,name,key,value}'),
               ('registered_model_aliases', '{workspace,name,alias,version}'),
               ('model_versions', '{workspace,name,version,creation_time,description,current_stage,status,source,run_id}'),
               ('model_version_tags', '{workspace,name,version,key,value}'),
               ('experiments', '{experiment_id,name,creation_time}'),
               ('runs', '{run_uuid,experiment_id,name,user_id,lifecycle_stage}'),
               ('params', '{run_uuid,key,value}'),
               ('latest_metrics', '{run_uuid,key,value,is_nan}'),
               ('tags', '{run_uuid,key,value}'),
               ('inputs', '{input_uuid,source_type,source_id,destination_type,destination_id}'),
               ('input_tags', '{input_uuid,name,value}'),
               ('datasets', '{dataset_uuid,name,digest,dataset_source_type,dataset_source}')) as needed (relation, columns)
 cross join unnest(needed.columns) as wanted
  left join pg_attribute a on a.attrelid = to_regclass(needed.relation) and a.attname = wanted and not a.attisdropped

-- makes MLflow's registry tables tell of every change by NOTIFY: a function beside them, and a trigger on each; again changes nothing
create or replace function mlops_registry_hint() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
    perform pg_notify('mlops_registry', tg_table_name);
    return null;
exception when others then  -- a hint is never worth a write of MLflow's
    return null;
end $$;
comment on function mlops_registry_hint is 'Tells mlops that the registry may have changed; `mlops registry hints remove` takes it away.';

-- by statement: a bulk write is one notice, and those of one transaction with the same table are one
create or replace trigger mlops_registry_hint after insert or update or delete or truncate on registered_models
       for each statement execute function mlops_registry_hint();
create or replace trigger mlops_registry_hint after insert or update or delete or truncate on model_versions
       for each statement execute function mlops_registry_hint();
create or replace trigger mlops_registry_hint after insert or update or delete or truncate on registered_model_aliases
       for each statement execute function mlops_registry_hint();
create or replace trigger mlops_registry_hint after insert or update or delete or truncate on model_version_tags
       for each statement execute function mlops_registry_hint();
create or replace trigger mlops_registry_hint after insert or update or delete or truncate on registered_model_tags
       for each statement execute function mlops_registry_hint();
-- of runs only what takes one away or brings it back; training writes there all the time
create or replace trigger mlops_registry_hint after update of lifecycle_stage or delete or truncate on runs
       for each statement execute function mlops_registry_hint();

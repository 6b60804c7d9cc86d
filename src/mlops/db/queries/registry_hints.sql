-- Word of changes in MLflow's registry: by NOTIFY and by webhooks.

-- name: registry_triggers
-- MLflow's registry tables on the search path: whether each is there, and whether it notifies of its changes
select t.name, to_regclass(t.name) is not null as there,
       exists (select from pg_trigger g
                where g.tgrelid = to_regclass(t.name) and g.tgname = 'mlops_registry_hint' and g.tgenabled <> 'D') as tells
  from unnest('{registered_models,model_versions,registered_model_aliases,model_version_tags,registered_model_tags,runs}'::text[]) t (name)

-- name: install_registry_triggers
-- makes MLflow's registry tables notify of every change: a function beside them, and a trigger on each; idempotent
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

-- name: remove_registry_triggers
-- removes our triggers and our function from MLflow's registry tables
drop function if exists mlops_registry_hint() cascade;

-- name: add_webhook_delivery
-- stores the id of a webhook's delivery, unless it is known; ids older than the accepted age of a timestamp are deleted
with forgotten as (delete from analytics.webhook_deliveries where received_at < now() - interval '1 hour')
insert into analytics.webhook_deliveries (delivery_id) values (:delivery_id) on conflict do nothing

-- What is kept for ever, and who may read.

-- TRUNCATE passes triggers for rows, and a partition's passes its parent's: so it is refused, of every partition, too.
create function analytics.refuse_truncate() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on set quote_all_identifiers = off
as $$
begin
    raise exception '% is kept for ever and can''t be emptied', tg_relid::regclass
          using hint = 'nothing was changed; months go by analytics.drop_old_partitions(), which archives them',
                errcode = 'object_not_in_prerequisite_state';
end $$;
comment on function analytics.refuse_truncate is 'Refuses TRUNCATE of a table whose rows are kept for ever.';

create function analytics.keep_for_ever(p_table regclass) returns void
language plpgsql set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on set quote_all_identifiers = off
as $$
begin
    if not exists (select from pg_trigger where tgrelid = p_table and tgname = 'refuse_truncate') then
        execute format('create trigger refuse_truncate before truncate on %s for each statement execute function analytics.refuse_truncate()', p_table);
    end if;
end $$;
comment on function analytics.keep_for_ever is 'Lets TRUNCATE of a table be refused; may be repeated.';
revoke execute on function analytics.keep_for_ever from public;

select analytics.keep_for_ever(kept::regclass)
  from unnest(array[
       'analytics.promotions', 'analytics.recommendation_decisions', 'analytics.retraining_recommendations',
       'analytics.registered_models', 'analytics.registered_model_names', 'analytics.model_aliases',
       'analytics.model_feature_store', 'analytics.model_prediction_results', 'analytics.time_series_revisions',
       'analytics.partition_log', 'analytics.partition_archives', 'analytics.ingest_batches',
       'analytics.scoring_requests', 'analytics.scoring_outcomes', 'analytics.scoring_gaps']) as kept;
-- Whatever makes, restores or rebuilds a month notes it in the log, in the same transaction and with the owner's rights.
create function analytics.keep_new_partition() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on set quote_all_identifiers = off
as $$
begin
    if exists (select from pg_trigger where tgrelid = to_regclass(new.parent) and tgname = 'refuse_truncate') then
        perform analytics.keep_for_ever(new.partition::regclass);
    end if;
    return null;
end $$;
comment on function analytics.keep_new_partition is 'Lets TRUNCATE of a new month be refused where it is of the whole table.';
revoke execute on function analytics.keep_new_partition from public;
create trigger keep_new_partition after insert on analytics.partition_log
    for each row when (new.action in ('made', 'restored')) execute function analytics.keep_new_partition();

-- A role for whoever reads with SQL and changes nothing. Roles are the server's, not the database's: it may be there already, and
-- who migrates may not be allowed to make it; then everything else goes on, and analytics.grant_reader() does the rest later.
create function analytics.grant_reader() returns boolean
language plpgsql set search_path = pg_catalog, pg_temp set standard_conforming_strings = on set quote_all_identifiers = off
as $$
declare
    called text;
begin
    if not exists (select from pg_roles where rolname = 'mlops_reader') then
        return false;
    end if;
    grant usage on schema analytics to mlops_reader;
    grant select on all tables in schema analytics to mlops_reader;
    revoke select on analytics.api_keys, analytics.webhook_deliveries, analytics.alert_deliveries, analytics.time_series_staging from mlops_reader;
    alter default privileges in schema analytics grant select on tables to mlops_reader;
    for called in
        select p.oid::regprocedure from pg_proc p
         where p.pronamespace = 'analytics'::regnamespace and p.prokind = 'f' and p.provolatile <> 'v' and not p.prosecdef
    loop
        execute format('grant execute on function %s to mlops_reader', called);
    end loop;
    return true;
end $$;
comment on function analytics.grant_reader is 'Lets the role mlops_reader read everything here that a reader may, now and what is added later by whoever calls this; false when there is no such role. Not readable are the keys of the server (api_keys), what is queued for channels and webhooks (alert_deliveries, webhook_deliveries) and the door for new rows (time_series_staging). May be repeated.';
revoke execute on function analytics.grant_reader from public;

do $$
begin
    if not exists (select from pg_roles where rolname = 'mlops_reader') then
        create role mlops_reader nologin;
    end if;
exception
    when duplicate_object or unique_violation then null;  -- another database of the server made it at this moment
    when insufficient_privilege then
        raise notice 'the role mlops_reader was not made: % may not make roles', current_user
              using hint = 'everything else is done; let an administrator run: create role mlops_reader nologin; then as the owner: select analytics.grant_reader()';
end $$;
comment on schema analytics is 'What an analyst reads and what mlops keeps: observations, forecasts, models and what monitoring found. Views first: forecasts, arrivals, decisions, calendar, time_series, and the function values_as_of. Instants are timestamptz; what means a day is a date, by the clock of the series.';
comment on table analytics.schema_version is 'Which migration this schema is at; one row, written by mlops db upgrade.';
comment on column analytics.schema_version.version_num is 'The newest migration that was applied.';

select analytics.grant_reader();

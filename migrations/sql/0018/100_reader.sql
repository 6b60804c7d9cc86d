-- A role for whoever reads with SQL and changes nothing. Roles are the server's, not the database's: it may be there already, and who migrates
-- may not be allowed to make it; then everything else goes on, and analytics.grant_reader() does the rest once it is there.

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
    revoke select on analytics.webhook_deliveries, analytics.alert_deliveries, analytics.time_series_staging from mlops_reader;
    alter default privileges in schema analytics grant select on tables to mlops_reader;
    for called in
        select p.oid::regprocedure from pg_proc p
         where p.pronamespace = 'analytics'::regnamespace and p.prokind = 'f' and p.provolatile <> 'v' and not p.prosecdef
    loop
        execute format('grant execute on function %s to mlops_reader', called);
    end loop;
    return true;
end $$;
comment on function analytics.grant_reader is 'Lets the role mlops_reader read everything here that a reader may, now and what is added later by whoever calls this; false when there is no such role. Not readable are what is queued for channels and webhooks (alert_deliveries, webhook_deliveries) and the door for new rows (time_series_staging). May be repeated.';
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
select analytics.grant_reader();

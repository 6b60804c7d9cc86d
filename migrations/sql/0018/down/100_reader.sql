-- the role stays, with nothing to read here: other databases of the server may use it, and logins may be its members
do $$
declare
    called text;
begin
    if exists (select from pg_roles where rolname = 'mlops_reader') then
        alter default privileges in schema analytics revoke select on tables from mlops_reader;
        revoke all on all tables in schema analytics from mlops_reader;
        for called in
            select p.oid::regprocedure from pg_proc p
             where p.pronamespace = 'analytics'::regnamespace and p.prokind = 'f' and p.provolatile <> 'v' and not p.prosecdef
        loop
            execute format('revoke execute on function %s from mlops_reader', called);
        end loop;
        revoke usage on schema analytics from mlops_reader;
    end if;
end $$;
drop function analytics.grant_reader();

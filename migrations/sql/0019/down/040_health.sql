create or replace function analytics.check_system_health()
returns table (check_name text, status text, figure text, advice text)
language plpgsql stable set search_path = pg_catalog, pg_temp set standard_conforming_strings = on set quote_all_identifiers = off
as $$
#variable_conflict use_column
declare
    hidden constant text := format('this role lacks a right: grant select on all tables in schema analytics to %I', current_user);
begin
    begin
        return query select * from analytics.check_months_health();
    exception when insufficient_privilege then
        return query select 'partitions ahead', 'watch', 'not visible to this role', hidden;
    end;
    begin
        return query select * from analytics.check_data_health() d where d.check_name not like 'partitions ahead%';
    exception when insufficient_privilege then
        return query select 'data', 'watch', 'not visible to this role', hidden;
    end;
    begin
        return query select * from analytics.check_server_health();
    exception when insufficient_privilege then
        return query select 'server', 'watch', 'not visible to this role', hidden;
    end;
end $$;
drop function analytics.check_retention_health();

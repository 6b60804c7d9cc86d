-- What leaves the database next, and whether somebody has agreed to that.

create function analytics.check_retention_health()
returns table (check_name text, status text, figure text, advice text)
language sql stable set search_path = pg_catalog, pg_temp set timezone = 'UTC' set standard_conforming_strings = on set quote_all_identifiers = off
as $$
    select 'retention: ' || analytics.short_name(parent), case when due > 0 then 'watch' else 'ok' end,
           case when due > 0 then format('%s months past their %s, the oldest %s', due, keep_months, to_char(due_from, 'YYYY-MM'))
                when kept_from is null then format('%s months are kept; nothing is there', keep_months)
                else format('%s months are kept, from %s on', keep_months, to_char(kept_from, 'YYYY-MM')) end
               || case when agreed then format('; agreed since %s by %s', to_char(agreed_at, 'YYYY-MM-DD'), agreed_by)
                       when due > 0 then format('; they stay: %s', why)
                       when agreed_at is null then '; the first drop asks'
                       else format('; the next drop asks: %s', why) end,
           case when due = 0 then ''
                when agreed then format('run mlops db maintain, which %s them', case when archive then 'archives and drops' else 'deletes' end)
                else format('mlops db maintain --yes %s them; mlops db retention %s --for-ever keeps them',
                            case when archive then 'archives and drops' else 'deletes' end, analytics.short_name(parent)) end
      from analytics.retention() where keep_months is not null
$$;
comment on function analytics.check_retention_health is 'For each table with a retention of its own: what is due to leave the database, and since when that is agreed.';

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
        return query select * from analytics.check_retention_health();
    exception when insufficient_privilege then
        return query select 'retention', 'watch', 'not visible to this role', hidden;
    end;
    begin
        return query select * from analytics.check_data_health() d where d.check_name not like 'partitions ahead%' and d.check_name not like 'retention: %';
    exception when insufficient_privilege then
        return query select 'data', 'watch', 'not visible to this role', hidden;
    end;
    begin
        return query select * from analytics.check_server_health();
    exception when insufficient_privilege then
        return query select 'server', 'watch', 'not visible to this role', hidden;
    end;
end $$;

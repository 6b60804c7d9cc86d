alter table analytics.model_versions
    drop column run_began_at, drop column run_ended_at, drop column verified_problem, drop column verified_at;

create or replace function analytics.check_system_health()
returns table (check_name text, status text, figure text, advice text)
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select * from analytics.check_store_health()
    union all
    select 'alerts', case when count(*) filter (where severity = 'critical') > 0 then 'bad' when count(*) > 0 then 'watch' else 'ok' end,
           case when count(*) = 0 then 'none open'
                else format('%s open, %s critical, the oldest %s old', count(*), count(*) filter (where severity = 'critical'),
                            analytics.in_words(now() - min(opened_at))) end,
           case when count(*) = 0 then '' else 'read mlops registry alerts' end
      from analytics.alerts where resolved_at is null
$$;

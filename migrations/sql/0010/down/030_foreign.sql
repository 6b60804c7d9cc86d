create or replace function analytics.check_system_health()
returns table (check_name text, status text, figure text, advice text)
language sql stable set search_path = pg_catalog, pg_temp
as $$
    with incomplete as (
        select exists (select from analytics.model_aliases a
                        where a.version_id = v.version_id and a.valid_to is null and a.alias in ('champion', 'challenger'))
            or exists (select from analytics.model_prediction_results p
                        where p.version_id = v.version_id and p.target_at > now() - interval '28 days') as serves
          from analytics.model_versions v where v.lineage_state = 'incomplete' and v.deleted_at is null
    ), lineage as (
        select count(*) filter (where serves) as served, count(*) filter (where not serves) as others from incomplete
    )
    select * from analytics.check_store_health() where check_name <> 'lineage'
    union all
    select 'lineage', case when served = 0 then 'ok' else 'bad' end,
           case when served + others = 0 then 'complete' when served = 0 then 'complete for all that serve' else format('missing for %s that serve', served) end
               || case when others = 0 then '' when served = 0 then format(', missing for %s that do not', others) else format(' and for %s that do not', others) end,
           case when served = 0 then '' else 'see lineage_problem in analytics.model_versions' end
      from lineage
    union all
    select 'alerts', case when count(*) filter (where severity = 'critical') > 0 then 'bad' when count(*) > 0 then 'watch' else 'ok' end,
           case when count(*) = 0 then 'none open'
                else format('%s open, %s critical, the oldest %s old', count(*), count(*) filter (where severity = 'critical'),
                            analytics.in_words(now() - min(opened_at))) end,
           case when count(*) = 0 then '' else 'read mlops alerts list' end
      from analytics.alerts where resolved_at is null
$$;

comment on column analytics.promotions.gates is 'One object per gate: gate, passed, found, expected.';
drop function analytics.gate_does_not_apply(bigint, text);

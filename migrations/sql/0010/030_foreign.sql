-- Models that were not trained here may serve elsewhere: a champion of that kind, decided on record, is a note and no fault.

create function analytics.gate_does_not_apply(p_version_id bigint, p_gate text) returns boolean
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select exists (select from analytics.alias_decisions d join analytics.promotions p using (promotion_id)
                    where d.version_id = p_version_id and d.alias = 'champion' and d.valid_to is null
                      and p.gates @> jsonb_build_array(jsonb_build_object('gate', p_gate, 'passed', null)))
$$;
comment on function analytics.gate_does_not_apply is 'Whether a version is champion by a decision that says that a gate can''t apply to it, as those of accuracy and lineage to models of other libraries that were not trained here.';

comment on column analytics.promotions.gates is 'One object per gate: gate, passed (null where it does not apply, found says why), found, expected.';

create or replace function analytics.check_system_health()
returns table (check_name text, status text, figure text, advice text)
language sql stable set search_path = pg_catalog, pg_temp
as $$
    with incomplete as (
        select analytics.gate_does_not_apply(v.version_id, 'lineage') as elsewhere,
               exists (select from analytics.model_aliases a
                        where a.version_id = v.version_id and a.valid_to is null and a.alias in ('champion', 'challenger'))
            or exists (select from analytics.model_prediction_results p
                        where p.version_id = v.version_id and p.target_at > now() - interval '28 days') as serves
          from analytics.model_versions v where v.lineage_state = 'incomplete' and v.deleted_at is null
    ), lineage as (
        select count(*) filter (where serves and not elsewhere) as served, count(*) filter (where serves and elsewhere) as elsewhere,
               count(*) filter (where not serves) as others
          from incomplete
    )
    select * from analytics.check_store_health() where check_name <> 'lineage'
    union all
    select 'lineage', case when served = 0 then 'ok' else 'bad' end,
           case when served + others = 0 then 'complete' when served = 0 then 'complete for all that serve' else format('missing for %s that serve', served) end
               || case when others = 0 then '' when served = 0 then format(', missing for %s that do not', others) else format(' and for %s that do not', others) end
               || case when elsewhere = 0 then '' else format('; %s of another library, champion by a decision on record', elsewhere) end,
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

-- Decisions about observations that are there: deleted, dated anew, or by another clock.

create function analytics.edit_observations(
    p_action     text,
    p_known_at   text,
    p_series_ids bigint[],
    p_from       timestamptz,
    p_until      timestamptz,
    p_decided_by text,
    p_reason     text
) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp set timezone = 'UTC' set standard_conforming_strings = on set quote_all_identifiers = off
as $$
declare
    edit    constant bigint      := nextval('analytics.edit_id');
    since   constant timestamptz := coalesce(p_from, '-infinity');
    until   constant timestamptz := coalesce(p_until, 'infinity');
    month   record;
    held    bigint;
    changed bigint;
begin
    -- nobody brings in observations or forecasts of a series that may go, and no outcome is taken from what goes
    perform from analytics.series where series_id = any (p_series_ids) order by series_id for update;
    perform pg_advisory_xact_lock(hashtextextended('outcomes', 0));
    -- retention drops no month meanwhile; each month is asked for by its own name, as a statement over many of them may lose rows after
    -- it has waited (docs/reports/postgresql-18-rows-lost-after-waiting.md), and is locked, in key order, before it is changed
    lock table only analytics.time_series_metrics, only analytics.time_series_revisions in row exclusive mode;
    lock table only analytics.model_prediction_results in row exclusive mode;
    drop table if exists pg_temp.edited;
    create temporary table edited (
        series_id bigint, kind text, observed_at timestamptz, was timestamptz, becomes timestamptz
    ) on commit drop;

    for month in
        select p.partition, r.partition as revisions
          from analytics.month_partitions('analytics.time_series_metrics') p
          left join analytics.month_partitions('analytics.time_series_revisions') r using (lower_bound)
         where p.lower_bound < until and p.upper_bound > since
         order by p.lower_bound
    loop
        execute format('select count(*) from (select from %s where series_id = any ($1) and observed_at >= $2 and observed_at < $3
                                               order by series_id, observed_at for update) held', month.partition)
           into held using p_series_ids, since, until;
        continue when held = 0;
        if p_action = 'deleted' then
            execute format('with gone as (delete from %s where series_id = any ($1) and observed_at >= $2 and observed_at < $3
                                          returning series_id, observed_at, recorded_at)
                            insert into pg_temp.edited select series_id, ''observation'', observed_at, recorded_at from gone', month.partition)
              using p_series_ids, since, until;
            get diagnostics changed = row_count;
            perform analytics.expect_rows(changed, held, month.partition);
            if month.revisions is not null then
                execute format('with gone as (delete from %s where series_id = any ($1) and observed_at >= $2 and observed_at < $3
                                              returning series_id, observed_at, recorded_at)
                                insert into pg_temp.edited select series_id, ''correction'', observed_at, recorded_at from gone', month.revisions)
                  using p_series_ids, since, until;
            end if;
        else
            -- the first value that stood there is the one that gets another time: what corrected it became known when it did
            execute format('insert into pg_temp.edited
                            select m.series_id, ''observation'', m.observed_at, m.recorded_at, n.becomes
                              from %s m join analytics.series s using (series_id) join analytics.granularities g on g.name = s.granularity
                             cross join lateral (select case when $4 = ''now'' then now() else least(m.recorded_at,
                                   m.observed_at + make_interval(months => g.months,
                                       secs => case when g.months > 0 then 0 when g.seconds > 0 then g.seconds else 86400 end)) end as becomes) n
                             where m.series_id = any ($1) and m.observed_at >= $2 and m.observed_at < $3 and n.becomes <> m.recorded_at', month.partition)
                    || case when month.revisions is null then '' else
                       format(' and not exists (select from %s r where r.series_id = m.series_id and r.observed_at = m.observed_at)', month.revisions) end
              using p_series_ids, since, until, p_known_at;
            if month.revisions is not null and p_known_at = 'observed' then
                execute format('insert into pg_temp.edited
                                select m.series_id, ''correction'', m.observed_at, m.recorded_at, n.becomes
                                  from (select distinct on (series_id, observed_at) * from %s
                                         where series_id = any ($1) and observed_at >= $2 and observed_at < $3
                                         order by series_id, observed_at, superseded_at) m
                                  join analytics.series s using (series_id) join analytics.granularities g on g.name = s.granularity
                                 cross join lateral (select least(m.recorded_at,
                                       m.observed_at + make_interval(months => g.months,
                                           secs => case when g.months > 0 then 0 when g.seconds > 0 then g.seconds else 86400 end)) as becomes) n
                                 where n.becomes <> m.recorded_at', month.revisions)
                  using p_series_ids, since, until;
            end if;
        end if;
    end loop;

    if p_action = 'redated' then
        for month in
            select k.kind, p.partition, p.lower_bound, p.upper_bound
              from (values ('observation', 'analytics.time_series_metrics'), ('correction', 'analytics.time_series_revisions')) k (kind, parent)
             cross join lateral analytics.month_partitions(k.parent::regclass) p
             where exists (select from pg_temp.edited e where e.kind = k.kind and e.observed_at >= p.lower_bound and e.observed_at < p.upper_bound)
             order by k.kind desc, p.lower_bound
        loop
            execute format('update %s m set recorded_at = e.becomes from pg_temp.edited e
                             where e.kind = $1 and m.series_id = e.series_id and m.observed_at = e.observed_at and m.recorded_at = e.was', month.partition)
              using month.kind;
            get diagnostics changed = row_count;
            select count(*) into held from pg_temp.edited e
             where e.kind = month.kind and e.observed_at >= month.lower_bound and e.observed_at < month.upper_bound;
            perform analytics.expect_rows(changed, held, month.partition);
        end loop;
    end if;

    -- outcomes follow the observations that they were taken from
    create index on pg_temp.edited (series_id, observed_at);
    analyze pg_temp.edited;
    for month in
        select p.partition, p.lower_bound, p.upper_bound from analytics.month_partitions('analytics.model_prediction_results') p
         where exists (select from pg_temp.edited e where e.kind = 'observation' and e.observed_at >= p.lower_bound and e.observed_at < p.upper_bound)
         order by p.lower_bound
    loop
        execute format('with meant as materialized (
                            select p.version_id, p.series_id, p.cutoff, p.target_at, e.becomes, e.observed_at
                              from %1$s p join pg_temp.edited e on e.series_id = p.series_id and e.observed_at = p.target_at
                             where e.kind = ''observation'' and p.outcome is not null and ($1 = ''deleted'' or p.outcome_recorded_at = e.was)
                             order by p.version_id, p.series_id, p.cutoff, p.target_at
                               for update of p
                        ), followed as (
                            update %1$s p
                               set outcome = case when $1 = ''deleted'' then null else p.outcome end,
                                   outcome_recorded_at = m.becomes,
                                   matched_at = case when $1 = ''deleted'' then null else p.matched_at end
                              from meant m
                             where (p.version_id, p.series_id, p.cutoff, p.target_at) = (m.version_id, m.series_id, m.cutoff, m.target_at)
                            returning p.series_id, p.target_at
                        )
                        insert into pg_temp.edited (series_id, kind, observed_at) select series_id, ''outcome'', target_at from followed', month.partition)
          using p_action;
    end loop;

    insert into analytics.observation_edits
           (edit_id, series_id, tenant_id, series, action, known_at, first_at, last_at, observations, corrections, outcomes, recorded_first, recorded_last,
            decided_by, reason)
    select edit, e.series_id, s.tenant_id,
           jsonb_strip_nulls(jsonb_build_object('metric_type', s.metric_type, 'granularity', s.granularity, 'customer_id', s.customer_id,
               'route_id', s.route_id, 'vehicle_id', s.vehicle_id, 'driver_id', s.driver_id, 'site_id', s.site_id, 'labels', s.labels)),
           p_action, p_known_at, min(e.observed_at), max(e.observed_at),
           count(*) filter (where e.kind = 'observation'), count(*) filter (where e.kind = 'correction'), count(*) filter (where e.kind = 'outcome'),
           min(e.was), max(e.was), p_decided_by, p_reason
      from pg_temp.edited e join analytics.series s using (series_id)
     group by e.series_id, s.series_id;

    if p_action = 'deleted' then
        insert into analytics.dirty_days (series_id, first_day, last_day)
        select d.series_id, (d.first_at at time zone c.clock)::date, (d.last_at at time zone c.clock)::date
          from analytics.observation_edits d
          join analytics.series s using (series_id)
          join analytics.granularities g on g.name = s.granularity
         cross join lateral (select case when g.dated then 'UTC' else s.time_zone end as clock) c
         where d.edit_id = edit;
    end if;
    insert into analytics.unscored (series_id, since)  -- what came after is judged by what is left before it, or was late
    select series_id, first_at from analytics.observation_edits where edit_id = edit;

    if p_action = 'deleted' then  -- a series of which nothing is left, and nothing else tells, goes, too
        delete from analytics.series s
         where s.series_id in (select series_id from analytics.observation_edits where edit_id = edit)
           and (select m.observed_at from analytics.time_series_metrics m where m.series_id = s.series_id limit 1) is null
           and (select p.target_at from analytics.model_prediction_results p where p.series_id = s.series_id limit 1) is null
           and not exists (select from analytics.model_versions v where v.lineage -> 'series' @> to_jsonb(s.series_id))
           and not exists (select from analytics.archived_months a
                            where a.parent in ('analytics.time_series_metrics'::regclass, 'analytics.model_prediction_results'::regclass)
                              and a.archived_at > s.created_at);
        delete from analytics.unscored u where not exists (select from analytics.series s where s.series_id = u.series_id);
    end if;
    return edit;
end $$;
comment on function analytics.edit_observations is 'Deletes the observations of some series between two times, or dates them anew (known_at: observed or now), with corrections, outcomes and what must be summarised and scored anew; the number of the decision, which is recorded for each series.';
revoke execute on function analytics.edit_observations from public;

-- A series that is told its zone later: what is stored are instants, so only the days and the scores that rest on a clock change
create function analytics.change_time_zone() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set timezone = 'UTC' set standard_conforming_strings = on set quote_all_identifiers = off
as $$
declare
    step record;
    off  timestamptz;
    span record;
begin
    select * into step from analytics.granularities where name = new.granularity;
    if step.dated or not analytics.is_time_zone(new.time_zone) then  -- the column's check refuses the latter
        return new;
    end if;
    new.anchor := case when new.time_zone = 'UTC' then (
        select analytics.step_anchor(step.seconds, 0, false, m.observed_at) from analytics.time_series_metrics m
         where m.series_id = new.series_id order by m.observed_at limit 1) else 0 end;
    select min(m.observed_at) into off from analytics.time_series_metrics m
     where m.series_id = new.series_id and not analytics.begins_step(step.seconds, 0, false, new.time_zone, new.anchor, m.observed_at);
    if off is not null then
        raise exception 'series % can''t be of %: its value of % UTC is then at %', new.series_id, new.time_zone,
              to_char(off, 'YYYY-MM-DD HH24:MI'), to_char(off at time zone new.time_zone, 'HH24:MI')
              using errcode = 'check_violation', hint = format('a value of granularity %s carries %s; nothing was changed', step.name, step.begins);
    end if;
    select min(observed_at) as first_at, max(observed_at) as last_at into span from analytics.time_series_metrics where series_id = new.series_id;
    if span.first_at is not null then
        insert into analytics.dirty_days (series_id, first_day, last_day)
        values (new.series_id, span.first_at::date - 1, span.last_at::date + 1);
        insert into analytics.unscored (series_id, since) values (new.series_id, span.first_at);
    end if;
    return new;
end $$;
comment on function analytics.change_time_zone is 'Marks the days of a series whose zone changes, and its scores; refuses a zone by whose clock its values don''t begin their steps.';
revoke execute on function analytics.change_time_zone from public;
create trigger change_time_zone before update of time_zone on analytics.series
    for each row when (old.time_zone is distinct from new.time_zone) execute function analytics.change_time_zone();

-- A series that is given to another tenant takes along what is stored of it; what is in archives is given to its tenant when it comes back
create function analytics.change_tenant() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set standard_conforming_strings = on set quote_all_identifiers = off
as $$
begin
    update analytics.time_series_metrics      set tenant_id = new.tenant_id where series_id = new.series_id;
    update analytics.time_series_revisions    set tenant_id = new.tenant_id where series_id = new.series_id;
    update analytics.daily_metrics_summary    set tenant_id = new.tenant_id where series_id = new.series_id;
    update analytics.model_prediction_results set tenant_id = new.tenant_id where series_id = new.series_id;
    update analytics.forecast_parts           set tenant_id = new.tenant_id where series_id = new.series_id;
    update analytics.offline_features         set tenant_id = new.tenant_id where series_id = new.series_id;
    update analytics.online_features          set tenant_id = new.tenant_id where series_id = new.series_id;
    return null;
end $$;
comment on function analytics.change_tenant is 'Gives everything that is stored of a series to the tenant that it was given to; the record of edits keeps the tenant of its time.';
revoke execute on function analytics.change_tenant from public;
create trigger change_tenant after update of tenant_id on analytics.series
    for each row when (old.tenant_id is distinct from new.tenant_id) execute function analytics.change_tenant();

-- One merge for both doors: `mlops series ingest` and the staging table put rows into the temporary table `arriving`, and
-- analytics.merge_arriving() inserts, corrects, keeps what was known before, and marks what is to be summarised and scored anew.

create function analytics.prepare_arriving() returns void
language plpgsql set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on set quote_all_identifiers = off
as $$
declare
    owner text := (select pg_get_userbyid(relowner) from pg_class where oid = to_regclass('pg_temp.arriving'));
begin
    if owner <> current_user then  -- it may carry triggers, which would run with the rights of whoever writes to it
        drop table pg_temp.arriving;
        owner := null;
    end if;
    if owner is null then
        create temporary table arriving (
            series_id bigint, observed_at timestamptz, value double precision, value_lower double precision, value_upper double precision,
            quality_score real,             -- empty: to be scored by mlops db maintain
            quality_stated boolean,         -- the score came with the row, so another one corrects what is stored
            is_anomaly boolean, anomaly_score real,
            recorded_at timestamptz         -- empty: now
        ) on commit delete rows;
    elsif exists (select from pg_temp.arriving) then
        truncate pg_temp.arriving;
    end if;
end $$;
comment on function analytics.prepare_arriving is 'An empty table pg_temp.arriving for the rows that analytics.merge_arriving() merges. It stays with the session, and its rows with the transaction.';
revoke execute on function analytics.prepare_arriving from public;

create function analytics.hold_series(p_series_ids bigint[]) returns int[]
language plpgsql set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on set quote_all_identifiers = off
as $$
begin
    lock table only analytics.time_series_metrics, only analytics.time_series_revisions in row exclusive mode;
    perform from analytics.series where series_id = any (p_series_ids) order by series_id for key share;
    return array(select s.tenant_id from unnest(p_series_ids) with ordinality k (series_id, place)
                   left join analytics.series s using (series_id) order by k.place);
end $$;
comment on function analytics.hold_series is 'Keeps these series from being deleted or given to another tenant, and months of observations and revisions from being dropped, before the transaction ends; the tenant of each, empty for one that is not there.';
revoke execute on function analytics.hold_series from public;

create function analytics.mark_spans_dirty(p_series_ids bigint[], p_first_at timestamptz[], p_last_at timestamptz[]) returns void
language sql set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on set quote_all_identifiers = off
as $$
    insert into analytics.dirty_days (series_id, first_day, last_day)
    select k.series_id, analytics.local_day(k.first_at, g.dated, s.time_zone), analytics.local_day(k.last_at, g.dated, s.time_zone)
      from unnest(p_series_ids, p_first_at, p_last_at) k (series_id, first_at, last_at)
      join analytics.series s using (series_id)
      join analytics.granularities g on g.name = s.granularity
$$;
comment on function analytics.mark_spans_dirty is 'Marks the local days of these series, from the first to the last time of each, to be summarised anew.';
revoke execute on function analytics.mark_spans_dirty from public;

create function analytics.arriving_corrections() returns table (
    series_id bigint, observed_at timestamptz, value double precision, value_lower double precision, value_upper double precision,
    quality_score real, is_anomaly boolean, anomaly_score real,
    tenant_id int, old_value double precision, old_lower double precision, old_upper double precision, old_recorded_at timestamptz
)
language plpgsql rows 100 set search_path = pg_catalog, pg_temp set work_mem = '64MB' set jit = off
set enable_seqscan = off set enable_bitmapscan = off
set standard_conforming_strings = on set quote_all_identifiers = off
as $$
#variable_conflict use_column
declare
    first_at constant timestamptz := (select min(observed_at) from pg_temp.arriving);
    last_at  constant timestamptz := (select max(observed_at) from pg_temp.arriving);
begin
    return query
    select distinct on (m.series_id, m.observed_at)
           m.series_id, m.observed_at, a.value, n.value_lower, n.value_upper, coalesce(a.quality_score, m.quality_score),
           coalesce(a.is_anomaly, m.is_anomaly), case when a.is_anomaly is null then m.anomaly_score else a.anomaly_score end,
           m.tenant_id, m.value, m.value_lower, m.value_upper, m.recorded_at
      from pg_temp.arriving a
     cross join lateral (  -- offset: each row is looked up by its key
           select * from analytics.time_series_metrics stored
            where stored.series_id = a.series_id and stored.observed_at = a.observed_at
              and stored.observed_at >= first_at and stored.observed_at <= last_at offset 0) m
     cross join lateral (  -- a bound that is left out stays with the value that it belongs to
           select case when a.value = m.value then coalesce(a.value_lower, m.value_lower) else a.value_lower end as value_lower,
                  case when a.value = m.value then coalesce(a.value_upper, m.value_upper) else a.value_upper end as value_upper) n
     where (m.value, m.value_lower, m.value_upper) is distinct from (a.value, n.value_lower, n.value_upper)
        or a.quality_stated and m.quality_score is distinct from a.quality_score
     order by m.series_id, m.observed_at;
end $$;
comment on function analytics.arriving_corrections is 'The rows of pg_temp.arriving that say something else than what is stored: as they will stand, and what stands there now.';
revoke execute on function analytics.arriving_corrections from public;

create function analytics.merge_arriving(out inserted bigint, out corrected bigint)
language plpgsql set search_path = pg_catalog, pg_temp set timezone = 'UTC' set work_mem = '64MB' set jit = off
set enable_seqscan = off set enable_bitmapscan = off set enable_mergejoin = off set enable_hashjoin = on
set standard_conforming_strings = on set quote_all_identifiers = off
as $$
declare
    few      constant int := 1000;  -- rows that are inserted one by one sooner than it is told whether any is there; chosen, not measured
    arrived  bigint;
    ids      bigint[];
    firsts   timestamptz[];
    lasts    timestamptz[];
    unscored timestamptz[];
    months   date[];
    tenants  int[];
    keys     bigint[];
    times    timestamptz[];
    wrong    record;
begin
    inserted := 0;
    corrected := 0;
    select sum(s.rows), array_agg(s.series_id), array_agg(s.first_at), array_agg(s.last_at), array_agg(s.unscored_from)
      into arrived, ids, firsts, lasts, unscored
      from (select series_id, count(*) as rows, min(observed_at) as first_at, max(observed_at) as last_at,
                   case when bool_or(quality_score is null) then min(observed_at) end as unscored_from
              from pg_temp.arriving group by series_id order by series_id) s;
    if arrived is null then
        return;
    end if;
    select array_agg(distinct date_trunc('month', t.observed_at)::date) into months from (select distinct observed_at from pg_temp.arriving) t;

    tenants := analytics.hold_series(ids);
    if array_position(tenants, null) is not null then
        raise exception 'series % was deleted meanwhile', ids[array_position(tenants, null)]
              using errcode = 'foreign_key_violation', hint = 'nothing of this statement was stored; leave its rows out, or make it again with analytics.series_for';
    end if;
    perform analytics.ensure_partitions(months);

    -- In key order, so that two writers wait for each other and never lock up. Where nothing is stored between the first and the last row of
    -- any series, all are new and need no look at each, which takes two thirds of the time; somebody else may be writing the same, though.
    <<insertion>>
    begin
        if arrived > few and not exists (
               select from unnest(ids, firsts, lasts) k (series_id, first_at, last_at)
                cross join lateral (select from analytics.time_series_metrics m
                                     where m.series_id = k.series_id and m.observed_at >= k.first_at and m.observed_at <= k.last_at limit 1) stored) then
            begin
                insert into analytics.time_series_metrics
                       (series_id, tenant_id, observed_at, value, value_lower, value_upper, quality_score, is_anomaly, anomaly_score, recorded_at)
                select series_id, k.tenant_id, observed_at, value, value_lower, value_upper, coalesce(quality_score, 1), coalesce(is_anomaly, false), anomaly_score,
                       coalesce(recorded_at, now())
                  from pg_temp.arriving join unnest(ids, tenants) k (series_id, tenant_id) using (series_id) order by series_id, observed_at;
                get diagnostics inserted = row_count;
                exit insertion;
            exception when unique_violation then
                null;
            end;
        end if;
        insert into analytics.time_series_metrics
               (series_id, tenant_id, observed_at, value, value_lower, value_upper, quality_score, is_anomaly, anomaly_score, recorded_at)
        select series_id, k.tenant_id, observed_at, value, value_lower, value_upper, coalesce(quality_score, 1), coalesce(is_anomaly, false), anomaly_score,
               coalesce(recorded_at, now())
          from pg_temp.arriving join unnest(ids, tenants) k (series_id, tenant_id) using (series_id) order by series_id, observed_at
        on conflict (series_id, observed_at) do nothing;
        get diagnostics inserted = row_count;
    end insertion;

    if inserted < arrived then
        select array_agg(c.series_id), array_agg(c.observed_at) into keys, times from analytics.arriving_corrections() c;
    end if;

    -- what says something else than what is stored corrects it, becomes known now, and the old value is kept
    if keys is not null then
        select a.series_id, a.observed_at into wrong  -- of two rows that disagree one at least differs from what is stored
          from pg_temp.arriving a join unnest(keys, times) k (series_id, observed_at) using (series_id, observed_at)
         group by 1, 2
        having min(a.value) <> max(a.value) or min(a.value_lower) is distinct from max(a.value_lower)
            or min(a.value_upper) is distinct from max(a.value_upper)
         limit 1;
        if found then
            raise exception 'series %, % UTC: rows of this statement disagree', wrong.series_id, wrong.observed_at at time zone 'UTC'
                  using errcode = 'cardinality_violation', hint = 'nothing of this statement was stored; keep one of them';
        end if;
        perform analytics.ensure_partitions(array(select distinct date_trunc('month', t)::date from unnest(times) t), 'analytics.time_series_revisions');
        perform analytics.lock_observations(keys, times);
        set local enable_hashjoin = off;  -- each is updated by its key
        with changed as materialized (  -- as they stand now that they are locked
            select c.*, greatest(statement_timestamp(), c.old_recorded_at + interval '1 microsecond') as known_at
              from analytics.arriving_corrections() c
        ), updated as (
            update analytics.time_series_metrics m
               set value = c.value, value_lower = c.value_lower, value_upper = c.value_upper, quality_score = c.quality_score,
                   is_anomaly = c.is_anomaly, anomaly_score = c.anomaly_score, recorded_at = c.known_at
              from changed c
             where m.series_id = c.series_id and m.observed_at = c.observed_at
               and m.observed_at >= (select min(observed_at) from changed) and m.observed_at <= (select max(observed_at) from changed)
            returning c.*
        ), kept as (
            insert into analytics.time_series_revisions (series_id, tenant_id, observed_at, value, value_lower, value_upper, recorded_at, superseded_at)
            select series_id, tenant_id, observed_at, old_value, old_lower, old_upper, old_recorded_at, known_at from updated
            returning 1
        )
        select analytics.expect_rows((select count(*) from kept), (select count(*) from changed), 'analytics.time_series_metrics') into corrected;
    end if;

    perform analytics.mark_spans_dirty(ids, firsts, lasts);
    insert into analytics.unscored (series_id, since)
    select k.series_id, k.since from unnest(ids, unscored) k (series_id, since) where k.since is not null;
end $$;
comment on function analytics.merge_arriving is 'Stores the rows of pg_temp.arriving: exactly once, corrections kept as revisions, days marked to be summarised and rows without a score to be scored. How many were new, and how many corrected what was stored.';
revoke execute on function analytics.merge_arriving from public;

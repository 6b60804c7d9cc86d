-- PostgreSQL 18 forgets rows: after a statement has waited for another writer, run-time pruning of partitions may hide the rest
-- of what it was to lock, update or delete (docs/reports/postgresql-18-rows-lost-after-waiting.md). So facts are locked first,
-- again until nothing is left over, and changed in a statement of its own that never waits; and every change is counted.

create function analytics.expect_rows(p_changed bigint, p_meant bigint, p_table regclass) returns bigint
language plpgsql stable set search_path = pg_catalog, pg_temp
as $$
begin
    if p_changed is distinct from p_meant then
        raise exception '% of % rows of % could be changed', p_changed, p_meant, p_table
              using errcode = 'serialization_failure', hint = 'another writer was at work; nothing of this statement was stored, try again';
    end if;
    return p_changed;
end $$;
comment on function analytics.expect_rows is 'The number of rows that were changed; a serialization failure, which asks for another attempt, when it is not that of the rows that were meant.';

create function analytics.lock_observations(p_series_ids bigint[], p_times timestamptz[]) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp
as $$
declare
    meant    constant bigint := coalesce(cardinality(p_series_ids), 0);
    first_at constant timestamptz := (select min(t) from unnest(p_times) t);
    last_at  constant timestamptz := (select max(t) from unnest(p_times) t);
    locked   bigint := 0;
begin
    -- Each attempt waits only for what the one before left over. In key order, so that two writers wait for each other and never lock up.
    for attempt in 1 .. 20 loop
        exit when locked = meant;
        select count(*) into locked
          from (select from unnest(p_series_ids, p_times) k (series_id, observed_at)
                  join analytics.time_series_metrics m on m.series_id = k.series_id and m.observed_at = k.observed_at
                 where m.observed_at >= first_at and m.observed_at <= last_at
                 order by m.series_id, m.observed_at
                   for update of m) held;
    end loop;
    return analytics.expect_rows(locked, meant, 'analytics.time_series_metrics');
end $$;
comment on function analytics.lock_observations is 'Locks the observations of these keys, each given once, until the end of the transaction; how many. Fails, to be tried again, when one of them is not there any more.';

revoke execute on function analytics.expect_rows, analytics.lock_observations from public;

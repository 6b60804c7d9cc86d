-- Making months: once, in UTC, whoever asks and however many at a time.

create function analytics.create_monthly_partition(
    p_month  date,
    p_parent regclass default 'analytics.time_series_metrics'
) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp set timezone = 'UTC'
set standard_conforming_strings = on set quote_all_identifiers = off
as $$
declare
    month_start timestamptz := make_timestamptz(date_part('year', p_month)::int, date_part('month', p_month)::int, 1, 0, 0, 0, 'UTC');
    month_end   timestamptz := month_start + interval '1 month';
    policy      analytics.partition_policy;
    gone        record;
    schema_name name;
    table_name  name;
    part_name   text;
begin
    select n.nspname, c.relname into strict schema_name, table_name
      from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = p_parent;
    part_name := table_name || to_char(month_start, '"_p"YYYY"_"MM');
    if to_regclass(format('%I.%I', schema_name, part_name)) is not null then
        return false;
    end if;

    select * into policy from analytics.partition_policy where parent = p_parent;
    if not found then
        raise exception 'table % is not partitioned by month', p_parent using errcode = 'invalid_parameter_value';
    end if;
    if p_month < policy.min_month or month_start > now() + make_interval(months => policy.max_ahead_months) then
        raise exception 'month % is out of range for %', to_char(p_month, 'YYYY-MM'), p_parent
              using errcode = 'datetime_field_overflow', hint = 'check the timestamps, or change analytics.partition_policy';
    end if;

    -- Serialises creators and blocks neither readers nor writers; look again after the wait.
    execute format('lock table only %I.%I in share update exclusive mode', schema_name, table_name);
    if to_regclass(format('%I.%I', schema_name, part_name)) is not null then
        return false;
    end if;
    -- a table that follows another takes rows while the other has the month; what was archived of it joins them before they go
    if policy.follows is null or not exists (select from analytics.month_partitions(policy.follows) m where m.lower_bound = month_start) then
        select a.parent, a.path into gone from analytics.archived_months a
         where a.parent in (p_parent, policy.follows) and a.lower_bound = month_start
         order by a.parent = p_parent desc limit 1;
        if found then
            raise exception 'month % of % was archived to % and dropped', to_char(p_month, 'YYYY-MM'), gone.parent, gone.path
                  using errcode = 'object_not_in_prerequisite_state', hint = 'mlops db restore-archive ' || case when gone.path ~ '^[\w./-]+$' then gone.path else quote_literal(gone.path) end;
        end if;
    end if;
    -- LIKE and ATTACH, because CREATE ... PARTITION OF waits for open writers
    execute format(
        'create table %I.%I (like %I.%I including defaults including constraints including storage including generated including statistics)',
        schema_name, part_name, schema_name, table_name);
    execute format(
        'alter table %I.%I attach partition %I.%I for values from (%L) to (%L)',
        schema_name, table_name, schema_name, part_name, month_start, month_end);
    insert into analytics.partition_log (parent, partition, action) values (p_parent::text, format('%I.%I', schema_name, part_name), 'made');
    return true;
end $$;
comment on function analytics.create_monthly_partition is 'Makes the partition of one month; false when it was there. Safe to call from many sessions at once. A month that was archived and dropped is refused until it is restored.';
revoke execute on function analytics.create_monthly_partition from public;

create function analytics.ensure_partitions(
    p_months date[],
    p_parent regclass default 'analytics.time_series_metrics'
) returns int
language sql security definer set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on set quote_all_identifiers = off
as $$
    select count(*) filter (where analytics.create_monthly_partition(month, p_parent))::int
      from (select distinct date_trunc('month', day::timestamp)::date as month from unnest(p_months) day where day is not null order by 1) months
$$;
comment on function analytics.ensure_partitions(date[],regclass) is 'Makes every missing partition of the months of these days, oldest first; how many were made.';
revoke execute on function analytics.ensure_partitions(date[],regclass) from public;

create function analytics.ensure_partitions(
    p_from   timestamptz,
    p_to     timestamptz,
    p_parent regclass default 'analytics.time_series_metrics'
) returns int
language sql security definer set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on set quote_all_identifiers = off
as $$
    select count(*) filter (where analytics.create_monthly_partition(month::date, p_parent))::int
      from generate_series(date_trunc('month', p_from at time zone 'UTC'), p_to at time zone 'UTC', interval '1 month') month
$$;
comment on function analytics.ensure_partitions(timestamptz,timestamptz,regclass) is 'Makes every missing monthly partition between two times; how many were made.';
revoke execute on function analytics.ensure_partitions(timestamptz,timestamptz,regclass) from public;

create function analytics.ensure_partitions(
    p_from   text,
    p_to     text,
    p_parent regclass default 'analytics.time_series_metrics'
) returns int
language sql security definer set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on set quote_all_identifiers = off
as $$ select analytics.ensure_partitions(p_from::timestamptz, p_to::timestamptz, p_parent) $$;
comment on function analytics.ensure_partitions(text,text,regclass) is 'The same between two times given as literals, which would fit both a time and a list of days.';
revoke execute on function analytics.ensure_partitions(text,text,regclass) from public;

create function analytics.make_month_alone(p_month date) returns text
language plpgsql set search_path = pg_catalog, pg_temp set timezone = 'UTC'
set standard_conforming_strings = on set quote_all_identifiers = off
as $$
declare
    -- a name of this transaction's own: another load of the same month may be under way
    table_name constant text := format('time_series_metrics_alone_%s_%s', to_char(p_month, 'YYYY_MM'), pg_current_xact_id());
begin
    execute format('create table analytics.%I (like analytics.time_series_metrics including defaults including constraints including storage including statistics)',
                   table_name);
    return 'analytics.' || table_name;
end $$;
comment on function analytics.make_month_alone is 'A table like a partition of observations but without indexes, to be filled in this transaction and attached by attach_month.';
revoke execute on function analytics.make_month_alone from public;

create function analytics.attach_month(p_table regclass, p_month date) returns void
language plpgsql set search_path = pg_catalog, pg_temp set timezone = 'UTC'
set standard_conforming_strings = on set quote_all_identifiers = off
as $$
declare
    parent      constant regclass := 'analytics.time_series_metrics';
    month_start constant timestamptz := make_timestamptz(date_part('year', p_month)::int, date_part('month', p_month)::int, 1, 0, 0, 0, 'UTC');
    part_name   constant text := 'time_series_metrics' || to_char(month_start, '"_p"YYYY"_"MM');
begin
    lock table only analytics.time_series_metrics in share update exclusive mode;
    if to_regclass('analytics.' || part_name) is not null then
        raise exception 'the partition of % was made by somebody else meanwhile', to_char(month_start, 'YYYY-MM')
              using errcode = 'serialization_failure', hint = 'try again: the rows will go into that partition';
    end if;
    execute format('alter table %s rename to %I', p_table, part_name);
    execute format('alter table %s attach partition analytics.%I for values from (%L) to (%L)',
                   parent, part_name, month_start, month_start + interval '1 month');
    insert into analytics.partition_log (parent, partition, action) values (parent::text, 'analytics.' || part_name, 'made');
end $$;
comment on function analytics.attach_month is 'Makes a table that was loaded on its own the partition of its month; its indexes are built here, at once. Fails, to be tried again, when the month has a partition already.';
revoke execute on function analytics.attach_month from public;

-- Monthly range partitions with UTC bounds. There is never a DEFAULT partition: it would make every later ATTACH scan and lock.

create table analytics.partition_policy (
    parent            regclass primary key,
    min_month         date not null default date '1970-01-01',
    max_ahead_months  int  not null default 24 check (max_ahead_months between 1 and 240)
);
comment on table analytics.partition_policy is 'Tables that are partitioned by month, and the months that a timestamp may fall into (a typing error must not make partitions).';
insert into analytics.partition_policy (parent) values ('analytics.time_series_metrics');

create function analytics.create_monthly_partition(
    p_month  date,
    p_parent regclass default 'analytics.time_series_metrics'
) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    -- make_timestamptz, because a date cast in Berlin lands in the wrong month
    lower_bound timestamptz := make_timestamptz(date_part('year', p_month)::int, date_part('month', p_month)::int, 1, 0, 0, 0, 'UTC');
    upper_bound timestamptz := (lower_bound at time zone 'UTC' + interval '1 month') at time zone 'UTC';
    policy      analytics.partition_policy;
    schema_name name;
    table_name  name;
    part_name   text;
begin
    select n.nspname, c.relname into strict schema_name, table_name
      from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = p_parent;
    part_name := table_name || to_char(lower_bound at time zone 'UTC', '"_p"YYYY"_"MM');
    if to_regclass(format('%I.%I', schema_name, part_name)) is not null then
        return false;
    end if;

    select * into policy from analytics.partition_policy where parent = p_parent;
    if not found then
        raise exception 'table % is not partitioned by month', p_parent using errcode = 'invalid_parameter_value';
    end if;
    if p_month < policy.min_month or lower_bound > now() + make_interval(months => policy.max_ahead_months) then
        raise exception 'month % is out of range for %', to_char(p_month, 'YYYY-MM'), p_parent
              using errcode = 'datetime_field_overflow', hint = 'check the timestamps, or change analytics.partition_policy';
    end if;

    -- Serialises creators and blocks neither readers nor writers; look again after the wait.
    execute format('lock table only %I.%I in share update exclusive mode', schema_name, table_name);
    if to_regclass(format('%I.%I', schema_name, part_name)) is not null then
        return false;
    end if;
    -- LIKE and ATTACH, because CREATE ... PARTITION OF waits for open writers
    execute format(
        'create table %I.%I (like %I.%I including defaults including constraints including storage including generated including statistics)',
        schema_name, part_name, schema_name, table_name);
    execute format(
        'alter table %I.%I attach partition %I.%I for values from (%L) to (%L)',
        schema_name, table_name, schema_name, part_name, lower_bound, upper_bound);
    return true;
end $$;
comment on function analytics.create_monthly_partition is 'Makes the partition of one month; false when it was there. Safe to call from many sessions at once.';

create function analytics.ensure_partitions(
    p_from   timestamptz,
    p_to     timestamptz,
    p_parent regclass default 'analytics.time_series_metrics'
) returns int
language sql security definer set search_path = pg_catalog, pg_temp
as $$
    select count(*) filter (where analytics.create_monthly_partition(month::date, p_parent))::int
      from generate_series(date_trunc('month', p_from at time zone 'UTC'), p_to at time zone 'UTC', interval '1 month') month
$$;
comment on function analytics.ensure_partitions is 'Makes every missing monthly partition between two times; how many were made.';

revoke execute on function analytics.create_monthly_partition, analytics.ensure_partitions from public;

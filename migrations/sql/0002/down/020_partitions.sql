do $$
begin
    if exists (select from analytics.partition_archives where dropped_at is not null and restored_at is null) then
        raise exception 'months are archived and dropped, and version 0001 knows nothing of archives'
              using errcode = 'object_not_in_prerequisite_state', hint = 'mlops db restore-archive brings a month back; analytics.partition_archives lists them';
    end if;
end $$;

drop function analytics.attach_archive(bigint, regclass, int);
drop function analytics.drop_old_partitions(int, regclass, boolean);
drop function analytics.ensure_partitions(text, text, regclass);
drop function analytics.ensure_partitions(date[], regclass);

create or replace function analytics.create_monthly_partition(
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

drop function analytics.partition_content(regclass, name[]);
drop function analytics.month_partitions(regclass);
drop table analytics.partition_archives, analytics.partition_log;
alter table analytics.partition_policy
    drop constraint partition_policy_ahead,
    drop column archive, drop column keep_months, drop column premake_months;

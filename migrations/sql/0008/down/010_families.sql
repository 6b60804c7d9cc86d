create or replace function analytics.create_monthly_partition(
    p_month  date,
    p_parent regclass default 'analytics.time_series_metrics'
) returns boolean
language plpgsql security definer set search_path = pg_catalog, pg_temp set timezone = 'UTC'
as $$
declare
    month_start timestamptz := make_timestamptz(date_part('year', p_month)::int, date_part('month', p_month)::int, 1, 0, 0, 0, 'UTC');
    month_end   timestamptz := month_start + interval '1 month';
    policy      analytics.partition_policy;
    gone        analytics.partition_archives;
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
    select a.* into gone from analytics.partition_archives a
     where a.parent = p_parent and a.lower_bound = month_start
     order by a.archive_id desc limit 1;
    if gone.dropped_at is not null and gone.restored_at is null then
        raise exception 'month % of % was archived to % and dropped', to_char(p_month, 'YYYY-MM'), p_parent, gone.path
              using errcode = 'object_not_in_prerequisite_state', hint = 'mlops db restore-archive ' || case when gone.path ~ '^[\w./-]+$' then gone.path else quote_literal(gone.path) end;
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

create or replace function analytics.drop_old_partitions(
    p_months  int      default null,
    p_parent  regclass default 'analytics.time_series_metrics',
    p_dry_run boolean  default false
) returns table (partition text, lower_bound timestamptz, upper_bound timestamptz, rows bigint, bytes bigint, archived boolean, dropped boolean, reason text)
language plpgsql security definer
-- shorter than deadlock_timeout: whoever waits for us is never the one that a deadlock kills
set search_path = pg_catalog, pg_temp set timezone = 'UTC' set lock_timeout = '100ms'
as $$
#variable_conflict use_column
declare
    policy   analytics.partition_policy;
    month    record;
    newest   analytics.partition_archives;
    content  record;
    empty    boolean;
    cutoff   timestamptz;
    doomed   text[] := '{}';
    archives bigint[] := '{}';
begin
    select * into policy from analytics.partition_policy where parent = p_parent;
    if not found then
        raise exception 'table % is not partitioned by month', p_parent
              using errcode = 'invalid_parameter_value', hint = 'analytics.partition_policy has no row for it';
    end if;
    if p_months < 1 then
        raise exception 'p_months is %, it must be at least 1', p_months using errcode = 'invalid_parameter_value';
    end if;
    cutoff := date_trunc('month', now()) - make_interval(months => coalesce(p_months, policy.keep_months));

    -- first look at all, so that the parent is locked only for the drops
    for month in select * from analytics.month_partitions(p_parent) m where m.upper_bound <= cutoff loop
        partition := month.partition::text; lower_bound := month.lower_bound; upper_bound := month.upper_bound;
        rows := month.estimated_rows; bytes := month.bytes; archived := false; dropped := false; reason := null;
        select * into newest from analytics.partition_archives a
         where a.parent = p_parent and a.lower_bound = month.lower_bound order by a.archive_id desc limit 1;
        archived := newest.archive_id is not null;
        if newest.restored_until > now() then
            reason := format('restored until %s', to_char(newest.restored_until, 'YYYY-MM-DD'));
        else
            begin
                if not p_dry_run then
                    execute format('lock table only %s in share mode', month.partition);
                end if;
                execute format('select not exists (select from only %s)', month.partition) into empty;
                if empty then
                    rows := 0; archived := false;
                elsif policy.archive and newest.archive_id is null then
                    reason := 'not archived';
                elsif policy.archive then
                    select * into content from analytics.partition_content(month.partition);
                    rows := content.rows;
                    archived := content.digest = newest.digest;
                    if not archived then
                        reason := format('changed since it was archived to %s', newest.path);
                    end if;
                else
                    archived := false;
                end if;
            exception when lock_not_available then
                reason := 'somebody is writing to it';
            end;
        end if;
        if reason is null and p_dry_run then
            reason := 'would be dropped';
        elsif reason is null then
            doomed := doomed || partition; dropped := true;
            reason := case when empty then 'empty' when policy.archive then 'archived' else 'the policy asks for no archive' end;
            if archived then
                archives := archives || newest.archive_id;
            end if;
        end if;
        return next;
    end loop;
    if doomed = '{}' then
        return;
    end if;

    for attempt in 1 .. 60 loop
        if exists (select from pg_locks l where l.relation = any (doomed::regclass[]::oid[]) and not l.granted) then
            raise exception 'somebody waits to write to a month of % that is to be dropped', p_parent
                  using errcode = 'lock_not_available', hint = 'nothing was dropped; try again later';
        end if;
        begin
            execute format('lock table only %s in access exclusive mode', p_parent);
            for position in 1 .. cardinality(doomed) loop
                insert into analytics.partition_log (parent, partition, action, bytes)
                values (p_parent::text, doomed[position], 'dropped', pg_total_relation_size(doomed[position]));
                execute format('drop table %s', doomed[position]::regclass);
            end loop;
            exit;
        exception when lock_not_available then
            if attempt = 60 then
                raise exception '% is in use', p_parent
                      using errcode = 'lock_not_available', hint = 'nothing was dropped; try again later';
            end if;
            perform pg_sleep(0.1);
        end;
    end loop;
    update analytics.partition_archives set dropped_at = clock_timestamp(), restored_at = null, restored_until = null
     where archive_id = any (archives);
end $$;
comment on function analytics.drop_old_partitions is 'Drops the partitions that end before the kept months (null: those of the policy); where the policy asks for archives, only those whose newest archive holds exactly their rows. One row per old partition, with the reason.';

drop function analytics.look_at_old_month(regclass, regclass, timestamptz, boolean, boolean);
drop view analytics.archived_months;
alter table analytics.partition_archives
    drop constraint partition_archives_problem,
    drop column problem, drop column verified_at;

drop trigger share_new_retention on analytics.partition_policy;
drop trigger share_changed_retention on analytics.partition_policy;
drop function analytics.share_retention();
alter table analytics.partition_policy
    drop constraint partition_policy_follows,
    drop column follows;

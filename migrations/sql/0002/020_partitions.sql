-- How long a month is kept, what became of each partition, and the archives without which nothing is dropped.

alter table analytics.partition_policy
    add column premake_months int     not null default 3 check (premake_months between 0 and 120),
    add column keep_months    int     default 24 check (keep_months >= 1),
    add column archive        boolean not null default true,
    add constraint partition_policy_ahead check (premake_months <= max_ahead_months);
comment on column analytics.partition_policy.premake_months is 'Months that mlops db maintain makes ahead of the current one.';
comment on column analytics.partition_policy.keep_months is 'Whole months before the current one that retention leaves alone; null keeps everything for ever.';
comment on column analytics.partition_policy.archive is 'A partition is dropped only while its newest archive holds exactly its rows.';

create table analytics.partition_log (
    log_id    bigint generated always as identity primary key,
    at        timestamptz not null default clock_timestamp(),
    by_role   text        not null default session_user,
    parent    text        not null,
    partition text        not null,
    action    text        not null check (action in ('made', 'archived', 'dropped', 'restored', 'clustered')),
    rows      bigint,
    bytes     bigint
);
comment on table analytics.partition_log is 'What was done to which partition, when and by whom.';
create index partition_log_partition on analytics.partition_log (partition, at);

create table analytics.partition_archives (
    archive_id     bigint generated always as identity primary key,
    parent         regclass    not null,
    partition      text        not null,
    lower_bound    timestamptz not null,
    upper_bound    timestamptz not null,
    path           text        not null,
    sha256         text        not null check (sha256 ~ '^[0-9a-f]{64}$'),
    rows           bigint      not null check (rows >= 0),
    digest         text        not null check (digest ~ '^[0-9a-f]{64}$'),
    bytes          bigint      not null,
    archived_at    timestamptz not null default clock_timestamp(),
    dropped_at     timestamptz,
    restored_at    timestamptz,
    restored_until timestamptz,
    check (lower_bound < upper_bound),
    check (num_nulls(restored_at, restored_until) in (0, 2))
);
comment on table analytics.partition_archives is 'One archive file of one month: where it is, its checksum, and the digest of the rows it holds. The newest of a month counts.';
create index partition_archives_month on analytics.partition_archives (parent, lower_bound, archive_id);

create function analytics.month_partitions(p_parent regclass)
returns table (partition regclass, lower_bound timestamptz, upper_bound timestamptz, estimated_rows bigint, bytes bigint)
language sql stable set search_path = pg_catalog, pg_temp set timezone = 'UTC'
as $$
    select c.oid::regclass, bounds[1]::timestamptz, bounds[2]::timestamptz, nullif(c.reltuples, -1)::bigint, pg_total_relation_size(c.oid)
      from pg_inherits i
      join pg_class c on c.oid = i.inhrelid
     cross join lateral regexp_match(pg_get_expr(c.relpartbound, c.oid), '^FOR VALUES FROM \(''([^'']+)''\) TO \(''([^'']+)''\)') as bounds
     where i.inhparent = p_parent and not i.inhdetachpending and bounds is not null
     order by 2
$$;
comment on function analytics.month_partitions is 'The partitions of a table by their real bounds, whatever their names say; estimated_rows is null before the first ANALYZE.';

create function analytics.partition_content(p_partition regclass, p_columns name[] default null)
returns table (rows bigint, digest text)
language plpgsql stable
set search_path = pg_catalog, pg_temp set timezone = 'UTC' set datestyle = 'ISO, YMD' set extra_float_digits = 1
as $$
declare
    columns text;
begin
    select string_agg(format('t.%I', attname), ', ' order by attname) into columns
      from pg_attribute
     where attrelid = p_partition and attnum > 0 and not attisdropped and attgenerated = ''
       and (p_columns is null or attname = any (p_columns));
    -- a sum, so that the order in which rows lie does not matter
    return query execute format(
        $query$
        select n, encode(sha256(convert_to(n || ':' || total, 'UTF8')), 'hex')
          from (select count(*) as n,
                       coalesce(sum(('x' || encode(substr(sha256(convert_to(row(%s)::text, 'UTF8')), 1, 8), 'hex'))::bit(64)::bigint), 0) as total
                  from only %s t) s
        $query$, columns, p_partition);
end $$;
comment on function analytics.partition_content is 'How many rows a partition has, and a digest that changes with any value of any of its columns that are not generated.';

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

create function analytics.ensure_partitions(
    p_months date[],
    p_parent regclass default 'analytics.time_series_metrics'
) returns int
language sql security definer set search_path = pg_catalog, pg_temp
as $$
    select count(*) filter (where analytics.create_monthly_partition(month, p_parent))::int
      from (select distinct date_trunc('month', day::timestamp)::date as month from unnest(p_months) day where day is not null order by 1) months
$$;
comment on function analytics.ensure_partitions(date[], regclass) is 'Makes every missing partition of the months of these days, oldest first; how many were made.';

create function analytics.ensure_partitions(
    p_from   text,
    p_to     text,
    p_parent regclass default 'analytics.time_series_metrics'
) returns int
language sql security definer set search_path = pg_catalog, pg_temp
as $$ select analytics.ensure_partitions(p_from::timestamptz, p_to::timestamptz, p_parent) $$;
comment on function analytics.ensure_partitions(text, text, regclass) is 'The same between two times given as literals, which would fit both a time and a list of days.';

create function analytics.drop_old_partitions(
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

create function analytics.attach_archive(p_archive_id bigint, p_table regclass, p_days int)
returns table (partition text, restored bigint, there bigint)
language plpgsql
set search_path = pg_catalog, pg_temp set timezone = 'UTC' set lock_timeout = '3s'
as $$
#variable_conflict use_column
declare
    archive     analytics.partition_archives;
    columns     text;
    schema_name name;
    table_name  name;
begin
    select * into strict archive from analytics.partition_archives a where a.archive_id = p_archive_id for update;
    partition := archive.partition; restored := archive.rows; there := 0;
    select n.nspname, c.relname into strict schema_name, table_name
      from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = p_table;
    execute format('lock table only %s in share update exclusive mode', archive.parent);
    if exists (select from analytics.month_partitions(archive.parent) m where m.lower_bound = archive.lower_bound) then
        select string_agg(quote_ident(attname), ', ' order by attnum) into columns
          from pg_attribute where attrelid = p_table and attnum > 0 and not attisdropped and attgenerated = '';
        execute format('insert into %s (%s) select %s from %s on conflict do nothing', archive.parent, columns, columns, p_table);
        get diagnostics restored = row_count;
        there := archive.rows - restored;
        execute format('drop table %s', p_table);
    else
        execute format('alter table %s rename to %I', p_table, (parse_ident(archive.partition))[2]);
        execute format('alter table %s attach partition %I.%I for values from (%L) to (%L)',
            archive.parent, schema_name, (parse_ident(archive.partition))[2], archive.lower_bound, archive.upper_bound);
    end if;
    update analytics.partition_archives a
       set restored_at = clock_timestamp(), restored_until = clock_timestamp() + make_interval(days => p_days)
     where a.archive_id = p_archive_id;
    insert into analytics.partition_log (parent, partition, action, rows) values (archive.parent::text, archive.partition, 'restored', restored);
    return next;
end $$;
comment on function analytics.attach_archive is 'Takes a table with the rows of an archive as its month, or brings in those that the month lacks; a part of mlops db restore-archive.';

revoke execute on function
    analytics.month_partitions, analytics.partition_content, analytics.ensure_partitions(date[], regclass),
    analytics.ensure_partitions(text, text, regclass), analytics.drop_old_partitions,
    analytics.attach_archive from public;

-- Tables that belong together age together: a family has one retention, and its months go and come back as one.

alter table analytics.partition_policy
    add column follows regclass references analytics.partition_policy (parent),
    add constraint partition_policy_follows check (follows <> parent);
comment on column analytics.partition_policy.follows is 'The table that this one belongs to: both are one family, with the retention of that table; their months are archived, dropped and brought back together.';

create function analytics.share_retention() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    one record;
begin
    select f.parent, f.follows into one
      from analytics.partition_policy f join analytics.partition_policy l on l.parent = f.follows
     where l.follows is not null limit 1;
    if found then
        raise exception '% follows %, which follows another table itself', one.parent, one.follows
              using errcode = 'check_violation', hint = 'let all tables of a family follow the same one';
    end if;

    -- what was changed for a table holds for those that follow it; looked for first, because the update fires this trigger again
    if exists (select from analytics.partition_policy f join changed l on l.parent = f.follows
                where (f.keep_months, f.archive) is distinct from (l.keep_months, l.archive)) then
        update analytics.partition_policy f set keep_months = l.keep_months, archive = l.archive
          from changed l
         where l.parent = f.follows and (f.keep_months, f.archive) is distinct from (l.keep_months, l.archive);
    end if;

    select f.parent, f.follows into one
      from analytics.partition_policy f join analytics.partition_policy l on l.parent = f.follows
     where (f.keep_months, f.archive) is distinct from (l.keep_months, l.archive) limit 1;
    if found then
        raise exception '% is kept as long as %, which it follows', one.parent, one.follows
              using errcode = 'check_violation', hint = format('nothing was changed; change the row of %s, and this one changes with it', one.follows);
    end if;
    return null;
end $$;
comment on function analytics.share_retention is 'Gives the tables of a family the retention of the one that they follow, and refuses another.';
revoke execute on function analytics.share_retention from public;

-- where the two were kept for different times, the longer one counts
update analytics.partition_policy l
   set keep_months = case when l.keep_months is not null and r.keep_months is not null then greatest(l.keep_months, r.keep_months) end,
       archive = l.archive or r.archive
  from analytics.partition_policy r
 where l.parent = 'analytics.time_series_metrics'::regclass and r.parent = 'analytics.time_series_revisions'::regclass;
update analytics.partition_policy r
   set follows = l.parent, keep_months = l.keep_months, archive = l.archive
  from analytics.partition_policy l
 where l.parent = 'analytics.time_series_metrics'::regclass and r.parent = 'analytics.time_series_revisions'::regclass;

create trigger share_new_retention after insert on analytics.partition_policy
    referencing new table as changed for each statement execute function analytics.share_retention();
create trigger share_changed_retention after update on analytics.partition_policy
    referencing new table as changed for each statement execute function analytics.share_retention();

alter table analytics.partition_archives
    add column verified_at timestamptz,
    add column problem     text,
    add constraint partition_archives_problem check (problem is null or verified_at is not null);
comment on column analytics.partition_archives.verified_at is 'When the file was last compared with its checksum after it was written; mlops db maintain does so at least once in 30 days.';
comment on column analytics.partition_archives.problem is 'What was found then: the file is missing or was altered. Empty when it was as it was written.';

create view analytics.archived_months as
select archive_id, parent, partition, lower_bound, upper_bound, path, sha256, rows, digest, archived_at, dropped_at, verified_at, problem
  from (select distinct on (parent, lower_bound) * from analytics.partition_archives order by parent, lower_bound, archive_id desc) newest
 where dropped_at is not null and restored_at is null;
comment on view analytics.archived_months is 'Months that are in their archive and not in the database: who asks for history reads them there.';

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

create function analytics.look_at_old_month(
    p_parent regclass, p_partition regclass, p_lower_bound timestamptz, p_archive boolean, p_dry_run boolean,
    out rows bigint, out archived boolean, out archive_id bigint, out reason text, out held text
)
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    newest  analytics.partition_archives;
    content record;
    empty   boolean;
begin
    select * into newest from analytics.partition_archives a
     where a.parent = p_parent and a.lower_bound = p_lower_bound order by a.archive_id desc limit 1;
    archived := newest.archive_id is not null;
    if newest.restored_until > now() then
        held := format('restored until %s', to_char(newest.restored_until, 'YYYY-MM-DD'));
        return;
    elsif newest.dropped_at is not null and newest.restored_at is null then
        held := format('other rows of it are in %s', newest.path);
        return;
    end if;
    if not p_dry_run then
        execute format('lock table only %s in share mode', p_partition);
    end if;
    execute format('select not exists (select from only %s)', p_partition) into empty;
    if empty then
        rows := 0; archived := false; reason := 'empty';
    elsif not p_archive then
        archived := false; reason := 'the policy asks for no archive';
    elsif newest.archive_id is null then
        held := 'not archived';
    else
        select * into content from analytics.partition_content(p_partition);
        rows := content.rows;
        archived := content.digest = newest.digest;
        if archived then
            archive_id := newest.archive_id; reason := 'archived';
        else
            held := format('changed since it was archived to %s', newest.path);
        end if;
    end if;
exception when lock_not_available then
    held := 'somebody is writing to it';
end $$;
comment on function analytics.look_at_old_month is 'What holds an old month back (null: nothing), and why it may go; a part of drop_old_partitions. Unless it is a dry run, nobody can write to the month until the transaction ends.';

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
    one   record;
    family   regclass[];
    parents  text[] := '{}';
    cutoff   timestamptz;
    doomed   text[] := '{}';
    archives bigint[] := '{}';
begin
    select l.* into policy from analytics.partition_policy p join analytics.partition_policy l on l.parent = coalesce(p.follows, p.parent)
     where p.parent = p_parent;
    if not found then
        raise exception 'table % is not partitioned by month', p_parent
              using errcode = 'invalid_parameter_value', hint = 'analytics.partition_policy has no row for it';
    end if;
    if p_months < 1 then
        raise exception 'p_months is %, it must be at least 1', p_months using errcode = 'invalid_parameter_value';
    end if;
    cutoff := date_trunc('month', now()) - make_interval(months => coalesce(p_months, policy.keep_months));
    family := policy.parent || array(select f.parent from analytics.partition_policy f where f.follows = policy.parent order by f.parent::text);

    -- first look at all, so that the parents are locked only for the drops; a month goes with all its tables or stays with all
    for one in
        with looked as materialized (
            select m.parent, p.*, l.*
              from unnest(family) with ordinality m (parent, position)
             cross join lateral analytics.month_partitions(m.parent) p
             cross join lateral analytics.look_at_old_month(m.parent, p.partition, p.lower_bound, policy.archive, p_dry_run) l
             where p.upper_bound <= cutoff
        )
        select *, first_value(case when held is not null then parent end)
                      over (partition by lower_bound order by held is null, parent <> policy.parent, parent::text) as held_by
          from looked order by lower_bound, parent <> policy.parent, parent::text
    loop
        partition := one.partition::text; lower_bound := one.lower_bound; upper_bound := one.upper_bound;
        rows := coalesce(one.rows, one.estimated_rows); bytes := one.bytes; archived := one.archived;
        dropped := one.held_by is null and not p_dry_run;
        reason := case when one.held is not null then one.held
                       when one.held_by is not null then format('its month of %s stays', one.held_by)
                       when p_dry_run then 'would be dropped' else one.reason end;
        if dropped then
            doomed := doomed || partition; parents := parents || one.parent::text;
            archives := archives || one.archive_id;
        end if;
        return next;
    end loop;
    if doomed = '{}' then
        return;
    end if;

    for attempt in 1 .. 60 loop
        if exists (select from pg_locks l where l.relation = any (doomed::regclass[]::oid[]) and not l.granted) then
            raise exception 'somebody waits to write to a month of % that is to be dropped', policy.parent
                  using errcode = 'lock_not_available', hint = 'nothing was dropped; try again later';
        end if;
        begin
            for position in 1 .. cardinality(family) loop
                execute format('lock table only %s in access exclusive mode', family[position]);
            end loop;
            -- whoever has looked which months are archived reads them there and the others here: not while that changes
            lock table analytics.partition_archives in access exclusive mode;
            for position in 1 .. cardinality(doomed) loop
                insert into analytics.partition_log (parent, partition, action, bytes)
                values (parents[position], doomed[position], 'dropped', pg_total_relation_size(doomed[position]));
                execute format('drop table %s', doomed[position]::regclass);
            end loop;
            exit;
        exception when lock_not_available then
            if attempt = 60 then
                raise exception '% is in use', policy.parent
                      using errcode = 'lock_not_available', hint = 'nothing was dropped; try again later';
            end if;
            perform pg_sleep(0.1);
        end;
    end loop;
    update analytics.partition_archives set dropped_at = clock_timestamp(), restored_at = null, restored_until = null
     where archive_id = any (archives);
end $$;
comment on function analytics.drop_old_partitions is 'Drops the months of a table and of all that are of its family that end before the kept months (null: those of the policy): where the policy asks for archives, only months whose newest archives hold exactly their rows. One row per old partition, with the reason.';

revoke execute on function analytics.look_at_old_month from public;

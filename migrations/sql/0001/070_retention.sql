-- Dropping months: what is older than its retention goes once somebody has agreed to it, with its family, after it was archived.

create function analytics.month_has_rows(p_parent regclass, p_from timestamptz, p_until timestamptz) returns boolean
language plpgsql stable
set search_path = pg_catalog, pg_temp set timezone = 'UTC' set standard_conforming_strings = on set quote_all_identifiers = off
as $$
declare
    key   name;
    there boolean;
begin
    select a.attname into key from pg_partitioned_table t join pg_attribute a on a.attrelid = t.partrelid and a.attnum = t.partattrs[0]
     where t.partrelid = p_parent;
    -- by the parent: who may read a table need not have been granted each of its months
    execute format('select exists (select from %s where %I >= %L and %I < %L)', p_parent, key, p_from, key, p_until) into there;
    return there;
end $$;
comment on function analytics.month_has_rows is 'Whether a table that is partitioned by month has any row between two times.';

create function analytics.kept_from(p_parent regclass default 'analytics.time_series_metrics', p_months int default null) returns timestamptz
language plpgsql stable
set search_path = pg_catalog, pg_temp set timezone = 'UTC' set standard_conforming_strings = on set quote_all_identifiers = off
as $$
declare
    policy analytics.partition_policy;
    month  record;
begin
    select l.* into policy from analytics.partition_policy p join analytics.partition_policy l on l.parent = coalesce(p.follows, p.parent)
     where p.parent = p_parent;
    for month in select m.lower_bound, m.upper_bound from analytics.month_partitions(policy.parent) m where m.lower_bound <= now() order by m.lower_bound desc loop
        if analytics.month_has_rows(policy.parent, month.lower_bound, month.upper_bound) then
            return month.lower_bound - make_interval(months => coalesce(p_months, policy.keep_months));
        end if;
    end loop;
    return null;
end $$;
comment on function analytics.kept_from is 'From when on retention leaves the months of a table in the database: so many whole months (null: those of the policy) before its newest month that has rows and has begun. Null when everything is kept, or nothing is there.';

create function analytics.retention()
returns table (parent regclass, keep_months int, archive boolean, kept_from timestamptz, due int, due_from timestamptz, due_until timestamptz,
               due_rows bigint, due_bytes bigint, agreed_at timestamptz, agreed_by text, agreed boolean, why text)
language plpgsql stable
set search_path = pg_catalog, pg_temp set timezone = 'UTC' set standard_conforming_strings = on set quote_all_identifiers = off
as $$
#variable_conflict use_column
declare
    policy    analytics.partition_policy;
    agreement analytics.retention_agreements;
    month     record;
    months    timestamptz[];
begin
    for policy in select p.* from analytics.partition_policy p where p.follows is null order by p.parent::text loop
        parent := policy.parent; keep_months := policy.keep_months; archive := policy.archive;
        kept_from := analytics.kept_from(policy.parent);
        months := '{}'; due_rows := 0; due_bytes := 0; due_until := null;
        for month in
            select f.parent as source, m.* from analytics.partition_policy f cross join lateral analytics.month_partitions(f.parent) m
             where policy.parent in (f.parent, f.follows) and m.upper_bound <= kept_from
               and not exists (select from analytics.partition_archives a
                                where a.parent = f.parent and a.lower_bound = m.lower_bound and a.restored_until > now())
             order by m.lower_bound
        loop
            if analytics.month_has_rows(month.source, month.lower_bound, month.upper_bound) then
                months := months || month.lower_bound;
                due_rows := due_rows + month.estimated_rows; due_bytes := due_bytes + month.bytes; due_until := month.upper_bound;
            end if;
        end loop;
        due := (select count(distinct m) from unnest(months) m); due_from := months[1];

        agreement := null;
        select * into agreement from analytics.retention_agreements a where a.parent = policy.parent and a.withdrawn_at is null;
        agreed_at := agreement.agreed_at; agreed_by := agreement.by_role;
        why := case when policy.keep_months is null then null
                    when agreement.agreement_id is null then 'nobody has agreed to it yet'
                    when policy.keep_months < agreement.keep_months
                    then format('%s months were to be kept when it was agreed, now %s', agreement.keep_months, policy.keep_months)
                    when agreement.archive and not policy.archive then 'months were archived when it was agreed, now they would be deleted'
                    when due > greatest(agreement.months, 12)
                    then format('at most %s months at once were agreed', greatest(agreement.months, 12)) end;
        agreed := policy.keep_months is not null and why is null;
        return next;
    end loop;
end $$;
comment on function analytics.retention is 'One row per table with a retention of its own: from when on its months are kept, what of it and of the tables that follow it is due to leave the database (due months that have rows; due_rows is an estimate, null before ANALYZE), since when and by whom that is agreed, and if not, why. Without an agreement no month with rows leaves.';

create function analytics.agree_to_retention(p_parent regclass default 'analytics.time_series_metrics') returns int
language plpgsql security definer
set search_path = pg_catalog, pg_temp set timezone = 'UTC' set standard_conforming_strings = on set quote_all_identifiers = off
as $$
declare
    is_now record;
begin
    lock table analytics.retention_agreements in share row exclusive mode;
    select r.* into is_now from analytics.retention() r
     where r.parent = (select coalesce(p.follows, p.parent) from analytics.partition_policy p where p.parent = p_parent);
    if not found or is_now.keep_months is null then
        raise exception '% is kept for ever', p_parent
              using errcode = 'object_not_in_prerequisite_state', hint = 'nothing was changed; keep_months of analytics.partition_policy says how long a table is kept';
    end if;
    update analytics.retention_agreements a set withdrawn_at = clock_timestamp() where a.parent = is_now.parent and a.withdrawn_at is null;
    insert into analytics.retention_agreements (parent, keep_months, archive, months)
    values (is_now.parent, is_now.keep_months, is_now.archive, is_now.due);
    return is_now.due;
end $$;
comment on function analytics.agree_to_retention is 'Lets old months of a table, and of those that follow it, leave the database from now on, as its policy says; how many are due now. It goes on record by role and time, and holds until it is withdrawn, the policy keeps fewer months or archives no more, or more months are due at once than now (and than twelve).';
revoke execute on function analytics.agree_to_retention from public;

create function analytics.withdraw_retention(p_parent regclass default 'analytics.time_series_metrics') returns boolean
language sql security definer
set search_path = pg_catalog, pg_temp set standard_conforming_strings = on set quote_all_identifiers = off
as $$
    with ended as (
        update analytics.retention_agreements a set withdrawn_at = clock_timestamp()
         where a.withdrawn_at is null
           and a.parent = (select coalesce(p.follows, p.parent) from analytics.partition_policy p where p.parent = p_parent)
        returning 1)
    select count(*) > 0 from ended
$$;
comment on function analytics.withdraw_retention is 'Lets no month of a table leave the database until somebody agrees anew; false when nobody had agreed.';
revoke execute on function analytics.withdraw_retention from public;

create function analytics.mark_month(p_month timestamptz) returns bigint
language sql security definer
set search_path = pg_catalog, pg_temp set timezone = 'UTC' set standard_conforming_strings = on set quote_all_identifiers = off
as $$
    with marked as (
        insert into analytics.dirty_days (series_id, first_day, last_day)
        select distinct m.series_id, p_month::date - 1, (p_month + interval '1 month')::date
          from analytics.time_series_metrics m
         where m.observed_at >= p_month and m.observed_at < p_month + interval '1 month'
        returning 1)
    select count(*) from marked
$$;
comment on function analytics.mark_month is 'Lets the next refresh summarise the days of a month anew, of all series with an observation in it: before the month leaves the database. How many series they are.';
revoke execute on function analytics.mark_month from public;

create function analytics.look_at_old_month(
    p_parent regclass, p_partition regclass, p_lower_bound timestamptz, p_archive boolean, p_agreed boolean, p_dry_run boolean,
    out rows bigint, out archived boolean, out archive_id bigint, out reason text, out held text
)
language plpgsql
set search_path = pg_catalog, pg_temp set timezone = 'UTC' set standard_conforming_strings = on set quote_all_identifiers = off
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
    elsif not p_agreed then
        held := 'waits for an agreement';
    elsif p_parent = 'analytics.time_series_metrics'::regclass
      and exists (select from analytics.dirty_days d
                   where d.first_day <= (p_lower_bound + interval '1 month')::date and d.last_day >= p_lower_bound::date - 1) then
        held := 'its days are not summarised yet';
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
revoke execute on function analytics.look_at_old_month from public;

create function analytics.drop_old_partitions(
    p_months  int      default null,
    p_parent  regclass default 'analytics.time_series_metrics',
    p_dry_run boolean  default false
) returns table (partition text, lower_bound timestamptz, upper_bound timestamptz, rows bigint, bytes bigint, archived boolean, dropped boolean, reason text)
language plpgsql security definer
-- shorter than deadlock_timeout: whoever waits for us is never the one that a deadlock kills
set search_path = pg_catalog, pg_temp set timezone = 'UTC' set lock_timeout = '100ms'
set standard_conforming_strings = on set quote_all_identifiers = off
as $$
#variable_conflict use_column
declare
    policy   analytics.partition_policy;
    one   record;
    family   regclass[];
    parents  text[] := '{}';
    cutoff   timestamptz;
    agreed   boolean;
    doomed   text[] := '{}';
    archives bigint[] := '{}';
    lost     timestamptz[] := '{}';
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
    cutoff := analytics.kept_from(policy.parent, p_months);
    -- who says how many months asks for these; what the policy says is done once somebody has agreed to it
    agreed := p_months is not null or coalesce((select r.agreed from analytics.retention() r where r.parent = policy.parent), false);
    family := policy.parent || array(select f.parent from analytics.partition_policy f where f.follows = policy.parent order by f.parent::text);

    -- first look at all, so that the parents are locked only for the drops; a month goes with all its tables or stays with all
    for one in
        with looked as materialized (
            select m.parent, p.*, l.*
              from unnest(family) with ordinality m (parent, position)
             cross join lateral analytics.month_partitions(m.parent) p
             cross join lateral analytics.look_at_old_month(m.parent, p.partition, p.lower_bound, policy.archive, agreed, p_dry_run) l
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
            lost := lost || case when one.archive_id is null and one.reason <> 'empty' then one.upper_bound end;
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
                insert into analytics.partition_log (parent, partition, action, bytes, lost_until)
                values (parents[position], doomed[position], 'dropped', pg_total_relation_size(doomed[position]), lost[position]);
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
comment on function analytics.drop_old_partitions is 'Drops the months of a table and of all that are of its family that end before the kept ones (null: those of the policy, once somebody has agreed to it; see analytics.retention()): where the policy asks for archives, only months whose newest archives hold exactly their rows. One row per old partition, with the reason.';
revoke execute on function analytics.drop_old_partitions from public;

-- What holds single observations or predictions ends where the oldest months have left the database; summaries do not. It says so.
create function analytics.complete_from(p_parent regclass default 'analytics.time_series_metrics') returns timestamptz
language sql stable
set search_path = pg_catalog, pg_temp set timezone = 'UTC' set standard_conforming_strings = on set quote_all_identifiers = off
as $$
    select greatest((select max(a.upper_bound) from analytics.archived_months a where a.parent = p_parent),
                    (select max(l.lost_until) from analytics.partition_log l where l.parent = p_parent::text and l.action = 'dropped'))
$$;
comment on function analytics.complete_from is 'From when on a table holds everything that was ever stored in it: where the newest month ends that is in an archive file or was deleted by retention. Null when no month has left the database. Sums over single observations from before are too small; those of daily_metrics_summary, and of what is made from it, are not.';

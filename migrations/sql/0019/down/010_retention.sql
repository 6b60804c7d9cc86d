create or replace function analytics.drop_old_partitions(
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
drop function analytics.look_at_old_month(regclass, regclass, timestamptz, boolean, boolean, boolean);
create function analytics.look_at_old_month(
    p_parent regclass, p_partition regclass, p_lower_bound timestamptz, p_archive boolean, p_dry_run boolean,
    out rows bigint, out archived boolean, out archive_id bigint, out reason text, out held text
)
language plpgsql
set search_path = pg_catalog, pg_temp set standard_conforming_strings = on set quote_all_identifiers = off
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

revoke execute on function analytics.look_at_old_month from public;
drop function analytics.mark_month(timestamptz), analytics.agree_to_retention(regclass), analytics.withdraw_retention(regclass), analytics.retention(),
              analytics.kept_from(regclass, int), analytics.month_has_rows(regclass, timestamptz, timestamptz);
drop table analytics.retention_agreements;
alter table analytics.partition_log drop column lost_until;
comment on column analytics.partition_policy.keep_months is 'Whole months before the current one that retention leaves alone; null keeps everything for ever.';

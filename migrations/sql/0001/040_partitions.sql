-- Monthly range partitions with UTC bounds: how long a month is kept, what became of each, and the archives without which
-- nothing is dropped. There is never a DEFAULT partition: it would make every later ATTACH scan and lock.

create table analytics.partition_policy (
    parent            regclass primary key,
    min_month         date    not null default date '1970-01-01',
    max_ahead_months  int     not null default 24 check (max_ahead_months between 1 and 240),
    premake_months    int     not null default 3 check (premake_months between 0 and 120),
    keep_months       int     default 24 check (keep_months >= 1),
    archive           boolean not null default true,
    follows           regclass references analytics.partition_policy (parent),
    constraint partition_policy_ahead check (premake_months <= max_ahead_months),
    constraint partition_policy_follows check (follows <> parent)
);
comment on table analytics.partition_policy is 'Tables that are partitioned by month, and the months that a timestamp may fall into (a typing error must not make partitions).';
comment on column analytics.partition_policy.parent           is 'The partitioned table.';
comment on column analytics.partition_policy.min_month        is 'The earliest month that is made, by its first day.';
comment on column analytics.partition_policy.max_ahead_months is 'The latest month that is made, counted from the current one.';
comment on column analytics.partition_policy.premake_months   is 'Months that mlops db maintain makes ahead of the current one.';
comment on column analytics.partition_policy.keep_months      is 'Whole months that stay before the newest one with rows (before the current month, where rows are of the future); null keeps everything for ever. See analytics.retention().';
comment on column analytics.partition_policy.archive          is 'A partition is dropped only while its newest archive holds exactly its rows.';
comment on column analytics.partition_policy.follows          is 'The table that this one belongs to: both are one family, with the retention of that table; their months are archived, dropped and brought back together.';

create table analytics.partition_log (
    log_id     bigint generated always as identity primary key,
    at         timestamptz not null default clock_timestamp(),
    by_role    text        not null default session_user,
    parent     text        not null,
    partition  text        not null,
    action     text        not null check (action in ('made', 'archived', 'dropped', 'restored')),
    rows       bigint,
    bytes      bigint,
    lost_until timestamptz
);
create index partition_log_partition on analytics.partition_log (partition, at);
comment on table analytics.partition_log is 'What was done to which partition, when and by whom.';
comment on column analytics.partition_log.log_id     is 'Numbers the entries.';
comment on column analytics.partition_log.at         is 'When it was done (instant).';
comment on column analytics.partition_log.by_role    is 'The database role that did it.';
comment on column analytics.partition_log.parent     is 'The table that the partition is of.';
comment on column analytics.partition_log.partition  is 'The name of the partition.';
comment on column analytics.partition_log.action     is 'made, archived, dropped or restored.';
comment on column analytics.partition_log.rows       is 'How many rows it had then; empty where nobody looked.';
comment on column analytics.partition_log.bytes      is 'The size of the partition then; empty where nobody looked.';
comment on column analytics.partition_log.lost_until is 'Of a month that was dropped with rows that no archive holds: when it ended.';

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
    verified_at    timestamptz,
    problem        text,
    check (lower_bound < upper_bound),
    check (num_nulls(restored_at, restored_until) in (0, 2)),
    constraint partition_archives_problem check (problem is null or verified_at is not null)
);
create index partition_archives_month on analytics.partition_archives (parent, lower_bound, archive_id);
comment on table analytics.partition_archives is 'One archive file of one month: where it is, its checksum, and the digest of the rows it holds. The newest of a month counts.';
comment on column analytics.partition_archives.archive_id     is 'Numbers the archives.';
comment on column analytics.partition_archives.parent         is 'The table that the month is of.';
comment on column analytics.partition_archives.partition      is 'The name of the partition.';
comment on column analytics.partition_archives.lower_bound    is 'The month begins here (UTC).';
comment on column analytics.partition_archives.upper_bound    is 'The month ends before this time (UTC).';
comment on column analytics.partition_archives.path           is 'Where the Parquet file is, on the machine that runs mlops.';
comment on column analytics.partition_archives.sha256         is 'SHA-256 of the file.';
comment on column analytics.partition_archives.rows           is 'How many rows the file holds.';
comment on column analytics.partition_archives.digest         is 'SHA-256 over the rows that it holds, whatever their order.';
comment on column analytics.partition_archives.bytes          is 'The size of the file.';
comment on column analytics.partition_archives.archived_at    is 'When the file was written.';
comment on column analytics.partition_archives.dropped_at     is 'When the month left the database after that; empty while it is there.';
comment on column analytics.partition_archives.restored_at    is 'When the month was brought back; empty when it was not.';
comment on column analytics.partition_archives.restored_until is 'Until when retention leaves the restored month alone.';
comment on column analytics.partition_archives.verified_at    is 'When the file was last compared with its checksum after it was written; mlops db maintain does so at least once in 30 days.';
comment on column analytics.partition_archives.problem        is 'What was found then: the file is missing or was altered. Empty when it was as it was written.';

create table analytics.retention_agreements (
    agreement_id bigint generated always as identity primary key,
    parent       regclass    not null references analytics.partition_policy (parent) on delete cascade,
    keep_months  int         not null check (keep_months >= 1),
    archive      boolean     not null,
    months       int         not null check (months >= 0),
    agreed_at    timestamptz not null default clock_timestamp(),
    by_role      text        not null default session_user,
    withdrawn_at timestamptz
);
create unique index retention_agreements_in_force on analytics.retention_agreements (parent) where withdrawn_at is null;
comment on table analytics.retention_agreements is 'Who agreed that old months of a table, and of those that follow it, may leave the database. One row at most of a table is in force, the one that is not withdrawn; see analytics.retention().';
comment on column analytics.retention_agreements.agreement_id is 'Number of the agreement.';
comment on column analytics.retention_agreements.parent       is 'The table; those that follow it are meant, too.';
comment on column analytics.retention_agreements.keep_months  is 'How many months were kept by the policy then; a policy that keeps fewer needs a new agreement.';
comment on column analytics.retention_agreements.archive      is 'Whether the policy archived months before they were dropped; one that no longer does needs a new agreement.';
comment on column analytics.retention_agreements.months       is 'How many months were to go then; more at once, and more than twelve, need a new agreement.';
comment on column analytics.retention_agreements.agreed_at    is 'When it was agreed.';
comment on column analytics.retention_agreements.by_role      is 'The database role that agreed.';
comment on column analytics.retention_agreements.withdrawn_at is 'When it was withdrawn, or replaced by a newer one; empty while it is in force.';

create view analytics.archived_months as
select archive_id, parent, partition, lower_bound, upper_bound, path, sha256, rows, digest, archived_at, dropped_at, verified_at, problem
  from (select distinct on (parent, lower_bound) * from analytics.partition_archives order by parent, lower_bound, archive_id desc) newest
 where dropped_at is not null and restored_at is null;
comment on view analytics.archived_months is 'Months that are in their archive and not in the database: who asks for history reads them there.';
comment on column analytics.archived_months.archive_id  is 'Of analytics.partition_archives.';
comment on column analytics.archived_months.parent      is 'The table that the month is of.';
comment on column analytics.archived_months.partition   is 'The name of the partition that it was.';
comment on column analytics.archived_months.lower_bound is 'The month begins here (UTC).';
comment on column analytics.archived_months.upper_bound is 'The month ends before this time (UTC).';
comment on column analytics.archived_months.path        is 'Where the Parquet file is, on the machine that runs mlops.';
comment on column analytics.archived_months.sha256      is 'SHA-256 of the file.';
comment on column analytics.archived_months.rows        is 'How many rows it holds.';
comment on column analytics.archived_months.digest      is 'SHA-256 over the rows that it holds, whatever their order.';
comment on column analytics.archived_months.archived_at is 'When the file was written.';
comment on column analytics.archived_months.dropped_at  is 'When the month left the database.';
comment on column analytics.archived_months.verified_at is 'When the file was last compared with its checksum; empty before the first time.';
comment on column analytics.archived_months.problem     is 'What was wrong with the file when it was last verified; empty when nothing was.';

-- A family has one retention: tables that follow another age with it ------------------------------------------------------

create function analytics.share_retention() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on set quote_all_identifiers = off
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
create trigger share_new_retention after insert on analytics.partition_policy
    referencing new table as changed for each statement execute function analytics.share_retention();
create trigger share_changed_retention after update on analytics.partition_policy
    referencing new table as changed for each statement execute function analytics.share_retention();

-- What a partition is ------------------------------------------------------------------------------------------------------

create function analytics.short_name(p_relation regclass) returns text
language sql stable set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on set quote_all_identifiers = off
as $$
    select relname::text from pg_class where oid = p_relation
$$;
comment on function analytics.short_name is 'The name of a table or index without its schema.';

create function analytics.month_partitions(p_parent regclass)
returns table (partition regclass, lower_bound timestamptz, upper_bound timestamptz, estimated_rows bigint, bytes bigint)
language sql stable set search_path = pg_catalog, pg_temp set timezone = 'UTC'
set standard_conforming_strings = on set quote_all_identifiers = off
as $$
    select c.oid::regclass, bounds[1]::timestamptz, bounds[2]::timestamptz, nullif(c.reltuples, -1)::bigint, pg_total_relation_size(c.oid)
      from pg_inherits i
      join pg_class c on c.oid = i.inhrelid
     cross join lateral regexp_match(pg_get_expr(c.relpartbound, c.oid), '^FOR VALUES FROM \(''([^'']+)''\) TO \(''([^'']+)''\)') as bounds
     where i.inhparent = p_parent and not i.inhdetachpending and bounds is not null
     order by 2
$$;
comment on function analytics.month_partitions is 'The partitions of a table by their real bounds, whatever their names say; estimated_rows is null before the first ANALYZE.';
revoke execute on function analytics.month_partitions from public;

create function analytics.partition_content(p_partition regclass, p_columns name[] default null)
returns table (rows bigint, digest text)
language plpgsql stable
set search_path = pg_catalog, pg_temp set timezone = 'UTC' set datestyle = 'ISO, YMD' set extra_float_digits = 1
set standard_conforming_strings = on set quote_all_identifiers = off
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
revoke execute on function analytics.partition_content from public;

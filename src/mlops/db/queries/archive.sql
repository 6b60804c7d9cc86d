-- Months that left the database: their files, how they are verified, brought back, and read beside the others.

-- name: set_archive_formats
-- sets number and time formats that can be read back exactly, and a short lock timeout, for this transaction
select set_config('extra_float_digits', '1', true), set_config('datestyle', 'ISO, YMD', true), set_config('timezone', 'UTC', true),
       set_config('lock_timeout', '3s', true)

-- name: table_schema_and_name
-- the schema and the name of a table
select n.nspname as schema, c.relname as name
  from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = cast(:table as regclass)

-- name: table_columns
-- the stored columns of a table: whether a row needs a value, and their place in the primary key
select a.attname as name, format_type(a.atttypid, a.atttypmod) as type, a.attnotnull and not a.atthasdef as needed,
       array_position(i.indkey::int2[], a.attnum) as key
  from pg_attribute a left join pg_index i on i.indrelid = a.attrelid and i.indisprimary
 where a.attrelid = cast(:table as regclass) and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
 order by a.attnum

-- name: table_content
-- how many rows a table has, and the digest of these columns (null: of all)
select rows, digest from analytics.partition_content(cast(:table as regclass), cast(:columns as name[]))

-- name: newest_archive
-- the newest archive of one month of a table, and whether its rows are not in the database
select path, sha256, digest, dropped_at is not null and restored_at is null as away from analytics.partition_archives
 where parent = cast(:parent as regclass) and lower_bound = :lower_bound
 order by archive_id desc limit 1

-- name: add_archive
-- records where an archive lies and what it holds
with kept as (
    insert into analytics.partition_archives (parent, partition, lower_bound, upper_bound, path, sha256, rows, digest, bytes)
    values (cast(:parent as regclass), :partition, :lower_bound, :upper_bound, :path, :sha256, :rows, :digest, :bytes)
    returning parent, partition, rows, bytes
)
insert into analytics.partition_log (parent, partition, action, rows, bytes)
select parent::text, partition, 'archived', rows, bytes from kept

-- name: archive_files
-- the newest archive of each month: whether the database lacks its rows, what was wrong at the last verification, whether that
-- is overdue, and, for observations read from it, when the month ends
select distinct on (parent, lower_bound) path, bytes, dropped_at is not null and restored_at is null as only_there, problem,
       coalesce(verified_at, archived_at) < now() - interval '32 days' as unverified,
       case when parent = 'analytics.time_series_metrics'::regclass then upper_bound end as read_until
  from analytics.partition_archives
 order by parent, lower_bound, archive_id desc

-- name: archives_to_verify
-- the archives to verify again: those with a problem, and the longest unverified, so that each is verified within 30 days
-- (a nightly run takes a twentieth of all, at least three, of those not verified for a week; after 29 days an archive is always taken)
with counted as (
    select archive_id, partition, path, sha256, problem, coalesce(verified_at, archived_at) as since,
           row_number() over (order by coalesce(verified_at, archived_at), archive_id) as place, count(*) over () as archives
      from analytics.archived_months
)
select archive_id, partition, path, sha256 from counted
 where problem is not null or since < now() - interval '29 days'
    or since < now() - interval '7 days' and place <= greatest(3, ceil(archives / 20.0))
 order by since, archive_id

-- name: set_archive_verified
-- records that the file of an archive was compared with its checksum, and what was wrong with it
update analytics.partition_archives set verified_at = clock_timestamp(), problem = :problem where archive_id = :archive_id

-- name: archive_by_file
-- the record of an archive file: by its checksum, else by its path, which shows that it was altered
select archive_id, parent::text as parent, partition, lower_bound, upper_bound, path, sha256, rows, digest
  from analytics.partition_archives
 where sha256 = :sha256 or path = :path
 order by sha256 = :sha256 desc, archive_id desc limit 1

-- name: archives_of_same_month
-- the archives of the same month of the other tables of a family that are not in the database
select m.archive_id, m.partition, m.path
  from analytics.partition_archives a
  join analytics.partition_policy p on p.parent = a.parent
  join analytics.partition_policy f on f.parent <> p.parent and coalesce(f.follows, f.parent) = coalesce(p.follows, p.parent)
  join analytics.archived_months m on m.parent = f.parent and m.lower_bound = a.lower_bound
 where a.archive_id = :archive_id

-- name: attach_archive
-- attaches a table with the rows of an archive as its month; how many rows were restored and how many were there
select partition, restored, there from analytics.attach_archive(:archive_id, cast(:table as regclass), :days)

-- name: archived_observation_months
-- the months of observations that are archived and not in the database, with the file that would bring them back
select lower_bound as month, path from analytics.archived_months where parent = 'analytics.time_series_metrics'::regclass order by lower_bound

-- name: archived_months_between
-- the archived months of observations and corrections that history between two times needs, the oldest first
-- (with :as_of also months in which something may have been recorded after it: earlier scores may rest on that)
select parent::text as parent, partition, lower_bound, upper_bound, path, sha256
  from analytics.archived_months
 where parent in ('analytics.time_series_metrics'::regclass, 'analytics.time_series_revisions'::regclass)
   and (cast(:start as timestamptz) is null or upper_bound > :start
        or parent = 'analytics.time_series_metrics'::regclass and archived_at > cast(:as_of as timestamptz))
   and (cast(:end as timestamptz) is null or lower_bound <= :end)
 order by lower_bound, parent::text

-- name: newest_archived_until
-- where the newest archived month of observations ends
select max(upper_bound) from analytics.archived_months where parent = 'analytics.time_series_metrics'::regclass

-- name: create_archived_tables
-- creates temporary tables for rows of archived months, and views that union them with the stored ones; dropped at commit
create temporary table archived_metrics (like analytics.time_series_metrics including defaults including generated) on commit drop;
create temporary table archived_revisions (like analytics.time_series_revisions including defaults including generated) on commit drop;
create temporary view time_series_metrics as
    select * from analytics.time_series_metrics union all select * from pg_temp.archived_metrics;
create temporary view time_series_revisions as
    select * from analytics.time_series_revisions union all select * from pg_temp.archived_revisions

-- name: give_archived_rows_their_tenants
-- rows of archived months are of the tenant that their series has now
update pg_temp.archived_metrics a set tenant_id = s.tenant_id
  from analytics.series s where s.series_id = a.series_id and s.tenant_id <> a.tenant_id;
update pg_temp.archived_revisions a set tenant_id = s.tenant_id
  from analytics.series s where s.series_id = a.series_id and s.tenant_id <> a.tenant_id

-- name: analyze_archived_tables
-- gives the planner statistics about the archived rows
analyze pg_temp.archived_metrics, pg_temp.archived_revisions

-- name: empty_archived_tables
-- removes the archived rows that an earlier query of the transaction needed
truncate pg_temp.archived_metrics, pg_temp.archived_revisions

-- the newest archive of one month of a table, and whether its rows are not in the database
select path, sha256, digest, dropped_at is not null and restored_at is null as away from analytics.partition_archives
 where parent = cast(:parent as regclass) and lower_bound = :lower_bound
 order by archive_id desc limit 1

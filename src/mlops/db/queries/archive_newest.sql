-- the newest archive of one month of a table
select path, sha256, digest from analytics.partition_archives
 where parent = cast(:parent as regclass) and lower_bound = :lower_bound
 order by archive_id desc limit 1

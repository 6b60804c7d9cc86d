-- the newest archive of each month, and whether its rows are nowhere else
select distinct on (parent, lower_bound) partition, path, bytes, dropped_at is not null and restored_at is null as only_there
  from analytics.partition_archives
 order by parent, lower_bound, archive_id desc

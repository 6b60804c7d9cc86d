-- the newest archive of each month, whether its rows are nowhere else, and what was wrong when it was last verified
select distinct on (parent, lower_bound) path, bytes, dropped_at is not null and restored_at is null as only_there,
       problem
  from analytics.partition_archives
 order by parent, lower_bound, archive_id desc

-- the months of observations that are archived and not in the database, with the file that would bring them back
select distinct on (lower_bound) lower_bound as month, path
  from analytics.partition_archives
 where parent = 'analytics.time_series_metrics'::regclass and dropped_at is not null and restored_at is null
 order by lower_bound, archive_id desc

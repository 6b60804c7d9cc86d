-- the newest archive of each month, whether its rows are nowhere else, what was wrong when it was last verified, and if that is
-- long ago; for observations that are read there: when the month ends
select distinct on (parent, lower_bound) path, bytes, dropped_at is not null and restored_at is null as only_there, problem,
       coalesce(verified_at, archived_at) < now() - interval '32 days' as unverified,
       case when parent = 'analytics.time_series_metrics'::regclass then upper_bound end as read_until
  from analytics.partition_archives
 order by parent, lower_bound, archive_id desc

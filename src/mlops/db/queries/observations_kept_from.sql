-- the first month of which maintenance leaves the observations in the database, and how many months that is; null is all
select analytics.kept_from() as kept_from, keep_months
  from analytics.partition_policy where parent = 'analytics.time_series_metrics'::regclass

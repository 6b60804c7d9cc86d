-- which of some months have a partition of observations
select month from unnest(cast(:months as date[])) month
 where exists (select from analytics.month_partitions('analytics.time_series_metrics') p where p.lower_bound = month::timestamp at time zone 'UTC')

-- makes the partitions of these months; how many were missing
select count(*) filter (where analytics.create_monthly_partition(month)) as made
  from unnest(cast(:months as date[])) month

-- Monthly partitions: made ahead, filled alone, held, looked after.

-- name: ensure_partitions
-- makes the monthly partitions of a table between two times
select analytics.ensure_partitions(cast(:first as timestamptz), cast(:last as timestamptz), cast(:table as regclass))

-- name: ensure_months
-- makes the missing partitions of a table for some months; how many
select analytics.ensure_partitions(cast(:months as date[]), cast(:table as regclass))

-- name: months_with_partitions
-- which of some months have a partition of observations
select month from unnest(cast(:months as date[])) month
 where exists (select from analytics.month_partitions('analytics.time_series_metrics') p where p.lower_bound = month::timestamp at time zone 'UTC')

-- name: lock_prediction_table
-- keeps retention from dropping months of predictions until the end of the transaction
lock table only analytics.model_prediction_results in row exclusive mode

-- name: create_detached_month
-- a table like a partition of observations, to be filled and then attached as that of a month; its name
select analytics.make_month_alone(:month)

-- name: attach_month
-- makes a table that was loaded alone the partition of its month
select analytics.attach_month(cast(:table as regclass), :month)

-- name: partition_policies
-- the tables that are partitioned by month, what is to be done for each, and the table whose family each belongs to
select p.parent::text as parent, least(p.premake_months, p.max_ahead_months) as premake_months, p.archive,
       coalesce(p.follows, p.parent)::text as family, r.kept_from, r.agreed
  from analytics.partition_policy p join analytics.retention() r on r.parent = coalesce(p.follows, p.parent)
 order by coalesce(p.follows, p.parent)::text, p.follows is not null, p.parent::text

-- name: list_partitions
-- every partition by its real bounds, and whether it was restored for a time
select p.parent::text as parent, m.partition::text as partition, m.lower_bound, m.upper_bound, m.estimated_rows as rows,
       (select max(a.restored_until) from analytics.partition_archives a
         where a.parent = p.parent and a.lower_bound = m.lower_bound) as restored_until
  from analytics.partition_policy p cross join lateral analytics.month_partitions(p.parent) m
 order by 1, 3

-- name: make_partitions_ahead
-- makes the partitions from this month to some months ahead; how many were missing
select analytics.ensure_partitions(now(), now() + make_interval(months => :months), cast(:parent as regclass)) as made

-- name: mark_month_for_summary
-- lets the next refresh summarise the days of a month anew; how many series have observations in it
select analytics.mark_month(:month)

-- name: analyze_tables
-- renews the planner's figures: of partitioned tables, which autovacuum never does, and of what was just summed up
analyze analytics.time_series_metrics, analytics.time_series_revisions, analytics.daily_metrics_summary, analytics.model_prediction_results,
        analytics.series, analytics.month_figures, analytics.customers

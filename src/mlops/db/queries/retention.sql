-- How long months stay in the database.

-- name: retention
-- for each table with a retention of its own: what is due to leave the database, and whether somebody has agreed to that
select parent::text as parent, keep_months, archive, kept_from, due, due_from, due_until, due_rows, due_bytes, agreed_at, agreed_by, agreed, why
  from analytics.retention() order by 1

-- name: agree_to_retention
-- lets old months of a table leave the database from now on; how many are due
select analytics.agree_to_retention(cast(:parent as regclass))

-- name: withdraw_retention
-- withdraws the agreement to let months of a table leave the database; false when there was none
select analytics.withdraw_retention(cast(:parent as regclass))

-- name: set_retention
-- sets how many months of a table, and of those that follow it, are kept; null is for ever
update analytics.partition_policy set keep_months = :months where parent = cast(:parent as regclass)

-- name: observations_kept_from
-- the first month of observations that maintenance keeps in the database, and how many months that is; null is all
select analytics.kept_from() as kept_from, keep_months
  from analytics.partition_policy where parent = 'analytics.time_series_metrics'::regclass

-- name: drop_old_partitions
-- drops what is older than the policy keeps; one row per old partition, and whether one that stays is meant to stay
select partition, lower_bound, rows, dropped, reason,
       bool_or(reason ~ '^(restored until|waits for an agreement)') over (partition by lower_bound)
           and reason ~ '^(restored until|waits for an agreement|its month of )' as stays_rightly
  from analytics.drop_old_partitions(null, cast(:parent as regclass))
 order by lower_bound, partition

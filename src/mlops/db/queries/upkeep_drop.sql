-- drops what is older than the policy keeps; one row per old partition, and whether one that stays is meant to
select partition, lower_bound, rows, dropped, reason,
       bool_or(reason ~ '^(restored until|waits for an agreement)') over (partition by lower_bound)
           and reason ~ '^(restored until|waits for an agreement|its month of )' as stays_rightly
  from analytics.drop_old_partitions(null, cast(:parent as regclass))
 order by lower_bound, partition

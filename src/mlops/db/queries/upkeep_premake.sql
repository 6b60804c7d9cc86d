-- makes the partitions from this month to some months ahead; how many were missing
select analytics.ensure_partitions(now(), now() + make_interval(months => :months), cast(:parent as regclass)) as made

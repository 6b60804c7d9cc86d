-- makes the missing partitions of a table for some months; how many
select analytics.ensure_partitions(cast(:months as date[]), cast(:table as regclass))

-- makes the monthly partitions of a table between two times
select analytics.ensure_partitions(cast(:first as timestamptz), cast(:last as timestamptz), cast(:table as regclass))

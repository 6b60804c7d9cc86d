-- makes a table that was loaded alone the partition of its month
select analytics.attach_month(cast(:table as regclass), :month)

-- drops what is older than the policy keeps; one row per old partition
select partition, rows, bytes, dropped, reason from analytics.drop_old_partitions(null, cast(:parent as regclass))

-- records that the file of an archive was compared with its checksum, and what was wrong with it
update analytics.partition_archives set verified_at = clock_timestamp(), problem = :problem where archive_id = :archive_id

-- the record of an archive file: by its checksum, else by its place, which tells that it was altered
select archive_id, parent::text as parent, partition, lower_bound, upper_bound, path, sha256, rows, digest
  from analytics.partition_archives
 where sha256 = :sha256 or path = :path
 order by sha256 = :sha256 desc, archive_id desc limit 1

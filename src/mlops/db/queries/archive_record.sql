-- keeps where an archive lies and what it holds
with kept as (
    insert into analytics.partition_archives (parent, partition, lower_bound, upper_bound, path, sha256, rows, digest, bytes)
    values (cast(:parent as regclass), :partition, :lower_bound, :upper_bound, :path, :sha256, :rows, :digest, :bytes)
    returning parent, partition, rows, bytes
)
insert into analytics.partition_log (parent, partition, action, rows, bytes)
select parent::text, partition, 'archived', rows, bytes from kept

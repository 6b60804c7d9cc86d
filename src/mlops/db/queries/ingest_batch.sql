-- records what became of a file
insert into analytics.ingest_batches
       (source, adapter, sha256, status, read, inserted, corrected, unchanged, refused, started_at, finished_at)
values (:source, :adapter, :sha256, :status, :read, :inserted, :corrected, :unchanged, :refused, :started_at, clock_timestamp())
returning batch_id

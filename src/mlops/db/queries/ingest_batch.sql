-- records what became of a file; of one that was interrupted, what is stored since its first attempt
insert into analytics.ingest_batches
       (source, adapter, sha256, status, read, inserted, corrected, unchanged, refused, backdated, series_ids, stored_from, started_at, finished_at)
values (:source, :adapter, :sha256, :status, :read, :inserted, :corrected, :unchanged, :refused, :backdated, cast(:series_ids as bigint[]),
        least(cast(:stored_from as timestamptz), (select min(stored_from) from analytics.ingest_progress where sha256 = :sha256)),
        :started_at, clock_timestamp())
returning batch_id

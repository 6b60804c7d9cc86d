-- remembers that a batch of a file is stored, in the transaction that stores it
insert into analytics.ingest_progress (sha256, part_sha256, inserted, corrected) values (:sha256, :part_sha256, :inserted, :corrected)
on conflict (sha256, part_sha256) do update set inserted = excluded.inserted, corrected = excluded.corrected

-- remembers that a batch of a file is stored, in the transaction that stores it
insert into analytics.ingest_progress (sha256, part_sha256, inserted, corrected, backdated, backdated_until, late, stored_from)
values (:sha256, :part_sha256, :inserted, :corrected, :backdated, cast(:backdated_until as timestamp) at time zone 'UTC', :late, :stored_from)
on conflict (sha256, part_sha256) do update
   set inserted = excluded.inserted, corrected = excluded.corrected,
       backdated = excluded.backdated, backdated_until = excluded.backdated_until, late = excluded.late,
       stored_from = least(ingest_progress.stored_from, excluded.stored_from)

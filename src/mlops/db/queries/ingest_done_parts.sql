-- the batches of an interrupted file that were stored
select part_sha256, inserted, corrected, backdated, backdated_until at time zone 'UTC' as backdated_until, late
  from analytics.ingest_progress where sha256 = :sha256

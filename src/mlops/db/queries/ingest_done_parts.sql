-- the batches of an interrupted file that were stored
select part_sha256, inserted, corrected from analytics.ingest_progress where sha256 = :sha256

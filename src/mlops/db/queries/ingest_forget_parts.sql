-- a file that is whole needs no memory of its batches
delete from analytics.ingest_progress where sha256 = :sha256

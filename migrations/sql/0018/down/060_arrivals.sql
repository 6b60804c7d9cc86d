drop view analytics.arrivals;
drop function analytics.batch_of(bigint, timestamptz, timestamptz);
drop index analytics.ingest_batches_stored, analytics.ingest_batches_replayed;
alter table analytics.ingest_batches drop column stored_from, drop column series_ids, drop column backdated;
alter table analytics.ingest_progress drop column stored_from;

drop table analytics.first_ingests;
alter table analytics.ingest_progress drop column backdated, drop column backdated_until, drop column late;

-- how many live versions wait for their files to be read
select count(*) from analytics.model_versions where deleted_at is null and lineage_read_at is null

-- versions whose run and lineage the mirror already holds
select name, version, created_at from analytics.model_versions where deleted_at is null and lineage_state = 'complete'

-- notes that versions with an anchor were compared with it, or could not be read, which the alerts about files tell
update analytics.model_versions set lineage_read_at = clock_timestamp() where version_id = any (cast(:versions as bigint[])) and lineage_read_at is null

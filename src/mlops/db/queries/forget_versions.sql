-- tombstones for versions that the registry no longer has
update analytics.model_versions r set deleted_at = :at
  from pg_temp.version_changes c where c.version_id = r.version_id and c.change = 'gone'

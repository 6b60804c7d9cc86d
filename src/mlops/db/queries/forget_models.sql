-- tombstones for models that the registry no longer has
update analytics.registered_models r set deleted_at = :at
  from pg_temp.model_changes c where c.model_id = r.model_id and c.change = 'gone'

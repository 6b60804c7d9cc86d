-- tombstones for registered models that the registry no longer has
update analytics.registered_models r set deleted_at = clock_timestamp()
 where r.deleted_at is null
   and not exists (
       select from jsonb_to_recordset(cast(:document as jsonb) -> 'models') as m (name text, created_at timestamptz)
        where m.name = r.name and m.created_at = r.created_at)

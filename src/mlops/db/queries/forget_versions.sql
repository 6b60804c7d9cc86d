-- tombstones for versions that the registry no longer has
update analytics.model_versions r set deleted_at = clock_timestamp()
 where r.deleted_at is null
   and not exists (
       select from jsonb_to_recordset(cast(:document as jsonb) -> 'versions') as v (name text, version int, created_at timestamptz)
        where v.name = r.name and v.version = r.version and v.created_at = r.created_at)

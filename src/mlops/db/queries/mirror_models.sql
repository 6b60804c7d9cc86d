-- registered models as the registry has them
insert into analytics.registered_models as r (name, created_at, description, tags)
select name, created_at, nullif(description, ''), tags
  from jsonb_to_recordset(cast(:document as jsonb) -> 'models') as m (name text, created_at timestamptz, description text, tags jsonb)
    on conflict (name, created_at) do update
   set description = excluded.description, tags = excluded.tags, deleted_at = null, seen_at = now()
 where (r.description, r.tags, r.deleted_at) is distinct from (excluded.description, excluded.tags, null)

-- closes the time of aliases that now point elsewhere or nowhere
update analytics.model_aliases a set valid_to = clock_timestamp()
  from analytics.registered_models m, analytics.model_versions v
 where a.valid_to is null and m.model_id = a.model_id and v.version_id = a.version_id
   and (m.deleted_at is not null or v.deleted_at is not null or not exists (
       select from jsonb_to_recordset(cast(:document as jsonb) -> 'aliases') as s (name text, alias text, version int)
        where s.name = m.name and s.alias = a.alias and s.version = v.version))

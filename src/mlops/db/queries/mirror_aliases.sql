-- opens the time of aliases that the mirror does not show yet
insert into analytics.model_aliases (model_id, alias, version_id)
select m.model_id, s.alias, v.version_id
  from jsonb_to_recordset(cast(:document as jsonb) -> 'aliases') as s (name text, alias text, version int)
  join analytics.registered_models m on m.name = s.name and m.deleted_at is null
  join analytics.model_versions v on v.model_id = m.model_id and v.version = s.version and v.deleted_at is null
    on conflict (model_id, alias) where valid_to is null do nothing

-- which version every alias points to now
select m.name, a.alias, v.version
  from analytics.model_aliases a
  join analytics.registered_models m using (model_id)
  join analytics.model_versions v using (version_id)
 where a.valid_to is null
 order by m.name, a.alias

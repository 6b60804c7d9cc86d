-- versions that an alias points to now, with `within` only those that got one so recently
select distinct v.version_id, v.name, v.version
  from analytics.model_aliases a join analytics.model_versions v using (version_id)
 where a.valid_to is null and (cast(:within as interval) is null or a.valid_from > now() - cast(:within as interval))
 order by v.name, v.version

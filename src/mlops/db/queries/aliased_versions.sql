-- versions that an alias points to now
select distinct v.version_id, v.name, v.version
  from analytics.model_aliases a join analytics.model_versions v using (version_id)
 where a.valid_to is null
 order by v.name, v.version

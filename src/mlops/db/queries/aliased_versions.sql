-- versions that an alias points to now; `due` are champions whose files nobody has compared with their lineage for an hour, or found changed
select v.version_id, v.name, v.version, v.run_id, v.source, v.tags, v.lineage_sha256,
       bool_or(a.alias = 'champion') and v.lineage_state = 'complete'
           and (v.verified_at is null or v.verified_problem is not null or v.verified_at < now() - interval '1 hour'
                or v.verified_at < v.lineage_read_at) as due
  from analytics.model_aliases a join analytics.model_versions v using (version_id)
 where a.valid_to is null
 group by v.version_id
 order by v.name, v.version

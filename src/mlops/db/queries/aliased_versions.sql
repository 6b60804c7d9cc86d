-- versions that an alias points to now, or that were found changed; `due` are those of them to compare with their anchor: champions
-- that nobody has compared for an hour, and what was found changed
with pointed as (
    select version_id, bool_or(alias = 'champion') as champion from analytics.model_aliases where valid_to is null group by version_id
)
select v.version_id, v.name, v.version, v.created_at, v.run_id, v.source, v.tags, v.lineage_sha256, a.files,
       a.version_id is not null
           and (v.verified_problem is not null
                or p.champion and (v.verified_at is null or v.verified_at < now() - interval '1 hour')) as due
  from analytics.model_versions v
  left join pointed p using (version_id)
  left join analytics.model_anchors a using (version_id)
 where v.deleted_at is null and (p.version_id is not null or v.verified_problem is not null)
 order by v.name, v.version

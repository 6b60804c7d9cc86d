-- live versions with the aliases that point at them now
select v.name, v.version, v.kind, v.as_of, v.trained_from, v.trained_to, v.run_id, v.metrics, v.lineage_state, v.lineage_problem,
       nullif(concat_ws('; ', v.verified_problem, v.altered), '') as changed, v.created_at,
       coalesce(array_agg(a.alias order by a.alias) filter (where a.alias is not null), '{}') as aliases
  from analytics.model_versions v
  left join analytics.model_aliases a on a.version_id = v.version_id and a.valid_to is null
 where v.deleted_at is null
 group by v.version_id
 order by v.name, v.version

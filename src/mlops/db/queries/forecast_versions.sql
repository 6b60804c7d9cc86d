-- the versions of a model, or of all, with the aliases that point at them now, and of which series, how far and in which steps they forecast
select v.version_id, v.name, v.version, v.deleted_at is null as live,
       (v.lineage -> 'recipe' ->> 'horizon')::int as horizon, v.lineage -> 'selection' ->> 'granularity' as granularity,
       v.lineage -> 'series' as series,
       coalesce(array_agg(a.alias order by a.alias) filter (where a.alias is not null), '{}') as aliases
  from analytics.model_versions v
  left join analytics.model_aliases a on a.version_id = v.version_id and a.valid_to is null
 where v.lineage -> 'selection' is not null and (cast(:name as text) is null or v.name = :name)
 group by v.version_id
 order by v.name, v.created_at

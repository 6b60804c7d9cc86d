-- the versions of a model, or of all, with the aliases that point at them now, and of which series, how far and in which steps they forecast
select v.version_id, v.name, v.version, v.deleted_at is null as live,
       (v.lineage -> 'recipe' ->> 'horizon')::int as horizon, v.lineage -> 'selection' ->> 'granularity' as granularity,
       (v.lineage -> 'series') || t.totals as series,
       coalesce(array_agg(a.alias order by a.alias) filter (where a.alias is not null), '{}') as aliases
  from analytics.model_versions v
 cross join lateral (  -- of its series and of their totals, and of weeks of either
       select coalesce(jsonb_agg(series_id), '[]') as totals
         from (select f.series_id from analytics.forecast_parts f where f.version_id = v.version_id
               union
               select w.series_id from analytics.series w
                where w.weeks_of in (select f.series_id from analytics.forecast_parts f where f.version_id = v.version_id
                                     union all select j::bigint from jsonb_array_elements_text(v.lineage -> 'series') j)) s) t
  left join analytics.model_aliases a on a.version_id = v.version_id and a.valid_to is null
 where v.lineage -> 'selection' is not null and (cast(:name as text) is null or v.name = :name)
 group by v.version_id, t.totals
 order by v.name, v.created_at

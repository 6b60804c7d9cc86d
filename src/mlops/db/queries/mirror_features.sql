-- lineage edges of some versions: as the models declare them, else guessed by name among the definitions of the time
with named as (
    select * from analytics.model_versions where version_id = any (cast(:versions as bigint[]))
), wanted as (
    select v.version_id, s.feature_id, 'declared' as origin,
           coalesce(case when f.value -> 'importance' between '0' and '1e18' then (f.value ->> 'importance')::float8 end,
                    (v.metrics ->> ('importance.' || f.key))::float8) as importance
      from named v
     cross join lateral jsonb_each(v.lineage -> 'features') f
      join analytics.model_feature_store s on s.name = f.key and s.definition_sha256 = f.value ->> 'definition_sha256'
     union all
    select v.version_id, s.feature_id, 'inferred', (v.metrics ->> ('importance.' || f.name))::float8
      from named v
     cross join lateral unnest(v.inferred_features) f (name)
     cross join lateral (
           select feature_id from analytics.model_feature_store s where s.name = f.name
            order by s.created_at <= v.created_at desc, case when s.created_at <= v.created_at then s.version end desc, s.version
            limit 1) s
     where v.lineage is null
       and not exists (select from unnest(v.inferred_features) n  -- all of its inputs are features, or nothing is guessed
                        where not exists (select from analytics.model_feature_store s where s.name = n))
), gone as (
    delete from analytics.model_version_features e using named v
     where e.version_id = v.version_id
       and not exists (select from wanted w where (w.version_id, w.feature_id) = (e.version_id, e.feature_id))
)
insert into analytics.model_version_features as e (version_id, feature_id, importance, origin)
select version_id, feature_id, importance, origin from wanted
    on conflict (version_id, feature_id) do update set importance = excluded.importance, origin = excluded.origin
 where (e.importance, e.origin) is distinct from (excluded.importance, excluded.origin)

-- the live model versions all of whose features the newest build of a set has, each with the smallest such set
with newest as (
    select distinct on (feature_set) feature_set, features
      from analytics.feature_builds
     order by feature_set, as_of desc, build_id desc
), columns as (
    select n.feature_set, jsonb_array_length(n.features) as width, f ->> 'name' as name, f ->> 'definition_sha256' as definition_sha256
      from newest n cross join lateral jsonb_array_elements(n.features) f
), used as (
    select v.name as model, v.version, f.name, f.definition_sha256, count(*) over (partition by v.version_id) as total
      from analytics.model_versions v
      join analytics.model_version_features e using (version_id)
      join analytics.model_feature_store f using (feature_id)
     where v.deleted_at is null
)
select distinct on (u.model, u.version) u.model, u.version, c.feature_set, array_agg(u.name order by u.name) as features
  from used u join columns c using (name, definition_sha256)
 group by u.model, u.version, u.total, c.feature_set, c.width
having count(*) = u.total
 order by u.model, u.version, c.width, c.feature_set

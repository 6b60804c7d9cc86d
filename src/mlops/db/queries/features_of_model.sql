-- the features of a model's champion, of its newest live version when it has none, with their definitions
with version as (
    select v.version_id
      from analytics.model_versions v
      left join analytics.model_aliases a on a.version_id = v.version_id and a.valid_to is null and a.alias = 'champion'
     where v.name = :name and v.deleted_at is null
     order by a.alias nulls last, v.version desc
     limit 1
)
select f.name, f.version, f.definition
  from version join analytics.model_version_features e using (version_id) join analytics.model_feature_store f using (feature_id)
 order by f.name

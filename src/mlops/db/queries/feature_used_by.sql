-- the newest live version that uses a feature and says what it was trained on, champions first
select v.name, v.version, v.lineage -> 'selection' as selection, v.lineage -> 'recipe' ->> 'country' as country
  from analytics.model_feature_store f
  join analytics.model_version_features e using (feature_id)
  join analytics.model_versions v using (version_id)
 where f.name = :name and f.version = :version and v.deleted_at is null and v.lineage -> 'selection' is not null
 order by exists (select from analytics.model_aliases a
                   where a.version_id = v.version_id and a.valid_to is null and a.alias = 'champion') desc,
          v.created_at desc
 limit 1

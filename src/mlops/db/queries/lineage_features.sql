-- the features of a live version, the most important first
select f.name, f.version, f.definition_sha256, f.dtype, f.source_metric_types, f.transformation, f.owner, e.importance
  from analytics.model_versions v
  join analytics.model_version_features e using (version_id)
  join analytics.model_feature_store f using (feature_id)
 where v.name = :name and v.version = :version and v.deleted_at is null
 order by e.importance desc nulls last, f.name

-- the newest version of each feature, and the live model versions that use it
select distinct on (f.name) f.name, f.version, f.definition_sha256, f.dtype, f.source_metric_types, f.transformation, f.owner,
       array(select format('%s/%s', v.name, v.version) from analytics.model_version_features e
               join analytics.model_versions v using (version_id)
              where e.feature_id = f.feature_id and v.deleted_at is null order by v.name, v.version) as used_by
  from analytics.model_feature_store f
 order by f.name, f.version desc

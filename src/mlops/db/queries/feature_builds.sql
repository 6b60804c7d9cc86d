-- what was built of the feature sets, newest first, with the live model versions that were trained on exactly those rows
select b.*, pg_total_relation_size(to_regclass(format('analytics.offline_features_b%s', b.build_id))) as bytes,
       array(select format('%s/%s', v.name, v.version) from analytics.model_versions v
              where v.lineage ->> 'content_sha256' = b.content_sha256 and v.deleted_at is null
              order by v.name, v.version) as used_by
  from analytics.feature_builds b
 where (cast(:feature_set as text) is null or feature_set = :feature_set)
   and (cast(:build_id as bigint) is null or build_id = :build_id)
 order by as_of desc, build_id desc

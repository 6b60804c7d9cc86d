-- versions with lineage whose run may say other importances than before
select array_agg(c.version_id)
  from pg_temp.version_changes c join analytics.model_versions v using (version_id)
 where c.change in ('changed', 'returned') and (v.lineage is not null or v.inferred_features is not null)

-- the versions that are champion now, with what they were trained on
select v.version_id, v.name, v.version, v.kind, v.run_id, v.params, v.metrics, v.lineage, v.as_of, v.trained_to
  from analytics.model_aliases a
  join analytics.model_versions v using (version_id)
 where a.alias = 'champion' and a.valid_to is null and v.deleted_at is null and v.lineage ? 'selection'
 order by v.name

-- recorded features by name and version, with the histogram edges that their first profile laid
select f.feature_id, f.name, f.version, f.profile -> 'edges' as edges
  from analytics.model_feature_store f
  join unnest(cast(:names as text[]), cast(:versions as int[])) as w (name, version) using (name, version)

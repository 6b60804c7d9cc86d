-- the versions of features with these definitions
select f.name, f.version
  from analytics.model_feature_store f
  join unnest(cast(:names as text[]), cast(:digests as text[])) as w (name, definition_sha256) using (name, definition_sha256)

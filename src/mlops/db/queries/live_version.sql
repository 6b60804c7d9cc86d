-- the mirror's row of a version that the registry has now
select version_id, name, version, created_at, kind, run_id, tags, metrics, lineage, lineage_sha256, lineage_state, lineage_problem, verified_problem, altered, as_of, trained_from, trained_to
  from analytics.model_versions where name = :name and version = :version and deleted_at is null

-- what a live version was made from
select name, version, kind, run_id, as_of, trained_from, trained_to, lineage, lineage_sha256, lineage_state, lineage_problem, nullif(concat_ws('; ', verified_problem, altered), '') as changed, metrics, params
  from analytics.model_versions where name = :name and version = :version and deleted_at is null

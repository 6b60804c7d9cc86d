-- what the files of versions say about their lineage; a version that changed meanwhile is read again; what was once read stays
update analytics.model_versions r
   set lineage = coalesce(d.lineage, r.lineage), lineage_sha256 = coalesce(d.lineage_sha256, r.lineage_sha256),
       lineage_state = d.lineage_state, lineage_problem = d.lineage_problem, as_of = coalesce(d.as_of, r.as_of),
       trained_from = coalesce(d.trained_from, r.trained_from), trained_to = coalesce(d.trained_to, r.trained_to),
       inferred_features = d.inferred, lineage_read_at = clock_timestamp()
  from jsonb_to_recordset(cast(:document as jsonb) -> 'versions') as d (
           version_id bigint, seen_at timestamptz, lineage jsonb, lineage_sha256 text, lineage_state text, lineage_problem text,
           as_of timestamptz, trained_from timestamptz, trained_to timestamptz, inferred text[])
 where r.version_id = d.version_id and r.seen_at = d.seen_at

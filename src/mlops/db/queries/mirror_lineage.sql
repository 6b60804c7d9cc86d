-- what the files of versions say about their lineage; a version that changed meanwhile is read again; what was once complete stays
update analytics.model_versions r
   set lineage = d.lineage, lineage_sha256 = d.lineage_sha256,
       lineage_state = case when c.claimed then 'claimed' else d.lineage_state end,
       lineage_problem = case when c.claimed then 'it says that mlops train made it, which is not on record here' else d.lineage_problem end,
       as_of = d.as_of, trained_from = d.trained_from, trained_to = d.trained_to,
       inferred_features = d.inferred, lineage_read_at = clock_timestamp()
  from jsonb_to_recordset(cast(:document as jsonb) -> 'versions') as d (
           version_id bigint, seen_at timestamptz, lineage jsonb, lineage_sha256 text, lineage_state text, lineage_problem text,
           as_of timestamptz, trained_from timestamptz, trained_to timestamptz, inferred text[], claims boolean)
 cross join lateral (
       select d.lineage_state = 'complete' and d.claims
              and not exists (select from analytics.model_anchors a where a.version_id = d.version_id and a.anchored_by <> 'sync') as claimed) c
 where r.version_id = d.version_id and r.seen_at = d.seen_at and r.lineage is null

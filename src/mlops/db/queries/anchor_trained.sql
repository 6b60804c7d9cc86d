-- anchors the version that was just registered as what its training made, and gives it its lineage
with made as (
    select v.version_id, d.* from jsonb_to_record(cast(:document as jsonb)) as d (
               name text, version int, created_at timestamptz, lineage jsonb, lineage_sha256 text, files jsonb, metrics jsonb, tags jsonb)
      join analytics.model_versions v using (name, version, created_at)
     where v.deleted_at is null
), anchored as (
    insert into analytics.model_anchors (version_id, anchored_by, lineage_sha256, files, metrics, tags)
    select version_id, 'training', lineage_sha256, files, metrics, tags from made
        on conflict (version_id) do nothing  -- when the transaction was done, and only the word of it was lost
)
update analytics.model_versions v
   set lineage = m.lineage, lineage_sha256 = m.lineage_sha256, lineage_state = 'complete', lineage_problem = null,
       as_of = cast(m.lineage ->> 'as_of' as timestamptz), trained_from = cast(m.lineage ->> 'trained_from' as timestamptz),
       trained_to = cast(m.lineage ->> 'trained_to' as timestamptz), lineage_read_at = :at
  from made m
 where v.version_id = m.version_id
returning v.version_id

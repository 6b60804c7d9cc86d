-- anchors versions as their files were first found; one with lineage and files of what a training anchored is a copy of that
insert into analytics.model_anchors (version_id, anchored_by, copy_of, lineage_sha256, files, metrics, tags)
select v.version_id, case when o.version_id is null then 'sync' else 'copy' end, o.version_id, d.lineage_sha256, d.files,
       case when o.version_id is not null then o.metrics when d.claims then v.metrics else '{}' end,
       case when d.lineage_sha256 is null then '{}' else jsonb_build_object('mlops.lineage_sha256', d.lineage_sha256) end
  from jsonb_to_recordset(cast(:document as jsonb) -> 'versions') as d (
           version_id bigint, seen_at timestamptz, lineage_sha256 text, claims boolean, files jsonb)
  join analytics.model_versions v on v.version_id = d.version_id and v.seen_at = d.seen_at
  left join lateral (
       select a.version_id, a.metrics
         from analytics.model_anchors a
        where d.claims and a.lineage_sha256 = d.lineage_sha256 and a.anchored_by in ('training', 'migration')
          and a.files = case when a.files ? 'MLmodel' then d.files  -- before whole models were anchored: code and artifacts
                             else (select jsonb_object_agg(f.key, f.value) from jsonb_each(d.files) f
                                    where f.key like 'artifacts/%' or f.key ~ '^[^/]+\.py$') end
        order by a.version_id
        limit 1) o on true
 where d.files is not null
    on conflict (version_id) do nothing

-- What the files of a version were when they were first seen, and whether they still are that.

-- name: anchor_trained_version
-- anchors the version that was just registered, as its training made it, and stores its lineage
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

-- name: anchor_versions_as_found
-- anchors versions as their files were first found; one whose lineage and files equal an anchored training is recorded as its copy
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
        where d.claims and a.lineage_sha256 = d.lineage_sha256 and a.anchored_by = 'training'
          and a.files = case when a.files ? 'MLmodel' then d.files  -- before whole models were anchored: code and artifacts
                             else (select jsonb_object_agg(f.key, f.value) from jsonb_each(d.files) f
                                    where f.key like 'artifacts/%' or f.key ~ '^[^/]+\.py$') end
        order by a.version_id
        limit 1) o on true
 where d.files is not null
    on conflict (version_id) do nothing

-- name: mark_versions_read
-- marks anchored versions as read: compared with their anchor, or unreadable (which the alerts about files report)
update analytics.model_versions set lineage_read_at = clock_timestamp() where version_id = any (cast(:versions as bigint[])) and lineage_read_at is null

-- name: version_anchor
-- the anchor of a live version, whether any of it was altered since, and whether somebody has decided to promote it
select v.version_id, v.lineage_sha256, v.lineage_state, v.lineage_problem, v.altered, a.files, a.metrics, a.tags, a.anchored_by,
       exists (select from analytics.promotions p where p.version_id = v.version_id) as decided
  from analytics.model_versions v left join analytics.model_anchors a using (version_id)
 where v.name = :name and v.version = :version and v.created_at = :created_at and v.deleted_at is null

-- name: versions_to_check
-- versions that an alias points to, or that were found altered; `due` marks those to compare with their anchor: champions that
-- were not compared for an hour, and altered ones
with pointed as (
    select version_id, bool_or(alias = 'champion') as champion from analytics.model_aliases where valid_to is null group by version_id
)
select v.version_id, v.name, v.version, v.created_at, v.run_id, v.source, v.tags, v.lineage_sha256, a.files,
       a.version_id is not null
           and (v.verified_problem is not null
                or p.champion and (v.verified_at is null or v.verified_at < now() - interval '1 hour')) as due
  from analytics.model_versions v
  left join pointed p using (version_id)
  left join analytics.model_anchors a using (version_id)
 where v.deleted_at is null and (p.version_id is not null or v.verified_problem is not null)
 order by v.name, v.version

-- name: set_version_verified
-- records that a version was compared with its anchor, and what differed
update analytics.model_versions
   set verified_at = clock_timestamp(), verified_problem = :problem
 where version_id = :version_id

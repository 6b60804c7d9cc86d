-- the anchor of a live version, whether anything of it is other by now, and whether somebody has decided to promote it
select v.version_id, v.lineage_sha256, v.lineage_state, v.lineage_problem, v.altered, a.files, a.metrics, a.tags, a.anchored_by,
       exists (select from analytics.promotions p where p.version_id = v.version_id) as decided
  from analytics.model_versions v left join analytics.model_anchors a using (version_id)
 where v.name = :name and v.version = :version and v.created_at = :created_at and v.deleted_at is null

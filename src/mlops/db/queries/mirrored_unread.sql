-- versions whose files are to be read for their lineage: those that claim one first, then the newest; and some that could not be read
with unread as (
    (select version_id, false as again
       from analytics.model_versions
      where deleted_at is null and lineage_read_at is null and (not :claiming or tags ? 'mlops.lineage_sha256')
      order by tags ? 'mlops.lineage_sha256' desc, created_at desc, version_id desc
      limit :most)
     union all
    (select version_id, true
       from analytics.model_versions
      where deleted_at is null and lineage_read_at is not null and not :claiming and lineage_problem like :unreadable
      order by tags ? 'mlops.lineage_sha256' desc, random()
      limit :again)
)
select u.version_id, v.name, v.version, v.created_at, v.run_id, v.source, v.tags, v.seen_at, u.again,
       v.lineage_sha256, a.files
  from unread u join analytics.model_versions v using (version_id) left join analytics.model_anchors a using (version_id)
 order by u.again, v.tags ? 'mlops.lineage_sha256' desc, v.created_at desc, v.version_id desc

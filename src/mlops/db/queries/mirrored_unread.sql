-- versions whose files are to be read for their lineage: those that claim one first, then the newest; and some that could not be read
(select version_id, name, version, created_at, run_id, source, status, tags, seen_at, false as again
   from analytics.model_versions
  where deleted_at is null and lineage_read_at is null and (not :claiming or tags ? 'mlops.lineage_sha256')
  order by tags ? 'mlops.lineage_sha256' desc, created_at desc, version_id desc
  limit :most)
 union all
(select version_id, name, version, created_at, run_id, source, status, tags, seen_at, true
   from analytics.model_versions
  where deleted_at is null and lineage_read_at is not null and not :claiming and lineage_problem like :unreadable
  order by tags ? 'mlops.lineage_sha256' desc, random()
  limit :again)

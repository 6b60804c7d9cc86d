-- the newest live version that a training registered for a request, whatever the registry's tags say now
select v.version, v.created_at
  from analytics.model_anchors a join analytics.model_versions v using (version_id)
 where v.name = :name and v.deleted_at is null and a.anchored_by in ('training', 'migration') and a.tags ->> 'mlops.request' = :request
 order by v.version desc
 limit 1

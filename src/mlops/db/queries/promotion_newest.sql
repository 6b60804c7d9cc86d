-- the newest decision about the champion of a name
select p.promotion_id, p.action, p.decided_by, p.reason, p.gates, p.forced, p.decided_at, p.applied_at, v.version, b.version as before
  from analytics.registered_models m
  join analytics.promotions p using (model_id)
  join analytics.model_versions v on v.version_id = p.version_id
  left join analytics.model_versions b on b.version_id = p.from_version_id
 where m.name = :name and m.deleted_at is null and p.alias = 'champion'
 order by p.promotion_id desc limit 1

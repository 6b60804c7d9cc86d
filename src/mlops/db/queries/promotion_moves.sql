-- every version that was champion of a name, the oldest first: whether a rollback made it so, and whether it is still there
select v.version, coalesce(p.action = 'rollback', false) as back, v.deleted_at is null as there
  from analytics.registered_models m
  join (select model_id, alias, version_id, valid_from, max(promotion_id) as promotion_id
          from analytics.alias_decisions group by model_id, alias, version_id, valid_from) s using (model_id)
  join analytics.model_versions v using (version_id)
  left join analytics.promotions p using (promotion_id)
 where m.name = :name and m.deleted_at is null and s.alias = 'champion'
 order by s.valid_from

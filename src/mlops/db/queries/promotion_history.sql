-- every time of a name's aliases with the decision behind it, the newest first
select s.alias, v.version, s.valid_from, s.valid_to, p.promotion_id, p.action, p.decided_by, p.reason, p.forced, p.gates,
       p.decided_at, p.recommendation_id
  from analytics.registered_models m
  join (select model_id, alias, version_id, valid_from, valid_to, max(promotion_id) as promotion_id
          from analytics.alias_decisions group by model_id, alias, version_id, valid_from, valid_to) s using (model_id)
  join analytics.model_versions v using (version_id)
  left join analytics.promotions p using (promotion_id)
 where m.name = :name and m.deleted_at is null
 order by s.valid_from desc, s.alias

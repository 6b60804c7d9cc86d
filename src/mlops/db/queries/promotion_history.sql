-- every time of a name's aliases with the decision behind it, the newest first
with times as (
    select a.*, lag(a.valid_from) over (partition by a.alias order by a.valid_from) as before_from
      from analytics.registered_models m join analytics.model_aliases a using (model_id)
     where m.name = :name and m.deleted_at is null
)
select t.alias, v.version, t.valid_from, t.valid_to, p.promotion_id, p.action, p.decided_by, p.reason, p.forced, p.gates,
       p.decided_at, p.recommendation_id
  from times t
  join analytics.model_versions v using (version_id)
  left join lateral (  -- decided while the one before still stood, or put on record afterwards
       select * from analytics.promotions p
        where p.model_id = t.model_id and p.alias = t.alias and p.version_id = t.version_id
          and p.decided_at < coalesce(t.valid_to, 'infinity') and p.decided_at > coalesce(t.before_from, '-infinity')
        order by p.promotion_id desc limit 1) p on true
 order by t.valid_from desc, t.alias

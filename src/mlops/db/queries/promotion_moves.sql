-- every version that was champion of a name, the oldest first: whether a rollback made it so, and whether it is still there
with times as (
    select a.*, lag(a.valid_from) over (order by a.valid_from) as before_from
      from analytics.registered_models m join analytics.model_aliases a using (model_id)
     where m.name = :name and m.deleted_at is null and a.alias = 'champion'
)
select v.version, coalesce(p.action = 'rollback', false) as back, v.deleted_at is null as there
  from times t
  join analytics.model_versions v using (version_id)
  left join lateral (  -- the decision behind it, as in promotion_history.sql
       select action from analytics.promotions p
        where p.model_id = t.model_id and p.alias = t.alias and p.version_id = t.version_id
          and p.decided_at < coalesce(t.valid_to, 'infinity') and p.decided_at > coalesce(t.before_from, '-infinity')
        order by p.promotion_id desc limit 1) p on true
 order by t.valid_from

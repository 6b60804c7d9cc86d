-- records that a version is to be the champion of its name, unless the newest decision says so already: it stands behind the champion, or waits and says the same
with target as (
    select v.version_id, v.model_id, coalesce(n.version_id = v.version_id, false) as holds, b.version_id as before_id
      from analytics.model_versions v
      left join analytics.model_aliases n on n.model_id = v.model_id and n.alias = 'champion' and n.valid_to is null
      left join lateral (  -- the champion now, or the last one when this version is it
           select a.version_id from analytics.model_aliases a
            where a.model_id = v.model_id and a.alias = 'champion' and a.version_id <> v.version_id
            order by a.valid_to desc nulls first limit 1) b on true
     where v.name = :name and v.version = :version and v.deleted_at is null
), newest as (
    select p.* from analytics.promotions p join target t using (model_id)
     where p.alias = 'champion' order by p.promotion_id desc limit 1
), said as (
    select from newest n join target t using (model_id, version_id)
     where t.holds and exists (select from analytics.alias_decisions d where d.promotion_id = n.promotion_id and d.valid_to is null)
        or not t.holds and n.applied_at is null and n.action = :action and n.forced >= :forced
           -- and nobody has moved the alias since
           and n.decided_at > coalesce((select max(coalesce(case when a.version_id = t.version_id then a.valid_to end, a.valid_from))
                                          from analytics.model_aliases a where a.model_id = t.model_id and a.alias = 'champion'), '-infinity')
)
insert into analytics.promotions (model_id, alias, version_id, from_version_id, action, decided_by, reason, gates, forced, recommendation_id)
select t.model_id, 'champion', t.version_id, t.before_id, :action, :decided_by, :reason, cast(:document as jsonb) -> 'gates', :forced,
       cast(:recommendation_id as bigint)
  from target t
 where not exists (select from said)

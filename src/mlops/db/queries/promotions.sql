-- Decisions about who is champion.

-- name: newest_promotion
-- the newest decision about the champion of a name
select p.promotion_id, p.action, p.decided_by, p.reason, p.gates, p.forced, p.decided_at, p.applied_at, v.version, b.version as before
  from analytics.registered_models m
  join analytics.promotions p using (model_id)
  join analytics.model_versions v on v.version_id = p.version_id
  left join analytics.model_versions b on b.version_id = p.from_version_id
 where m.name = :name and m.deleted_at is null and p.alias = 'champion'
 order by p.promotion_id desc limit 1

-- name: add_promotion
-- records the decision that a version becomes the champion of its name, unless the newest decision is the same: in force, or waiting
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

-- name: set_promotion_applied
-- records that the registry's alias was moved as decided
update analytics.promotions set applied_at = clock_timestamp() where promotion_id = :promotion_id and applied_at is null

-- name: champions_of_model
-- every version that was champion of a name, the oldest first: whether by a rollback, and whether it is still in the registry
select v.version, coalesce(p.action = 'rollback', false) as back, v.deleted_at is null as there
  from analytics.registered_models m
  join (select model_id, alias, version_id, valid_from, max(promotion_id) as promotion_id
          from analytics.alias_decisions group by model_id, alias, version_id, valid_from) s using (model_id)
  join analytics.model_versions v using (version_id)
  left join analytics.promotions p using (promotion_id)
 where m.name = :name and m.deleted_at is null and s.alias = 'champion'
 order by s.valid_from

-- name: promotion_history
-- every period of a name's aliases with the decision behind it, the newest first
select s.alias, v.version, s.valid_from, s.valid_to, p.promotion_id, p.action, p.decided_by, p.reason, p.forced, p.gates,
       p.decided_at, p.recommendation_id
  from analytics.registered_models m
  join (select model_id, alias, version_id, valid_from, valid_to, max(promotion_id) as promotion_id
          from analytics.alias_decisions group by model_id, alias, version_id, valid_from, valid_to) s using (model_id)
  join analytics.model_versions v using (version_id)
  left join analytics.promotions p using (promotion_id)
 where m.name = :name and m.deleted_at is null
 order by s.valid_from desc, s.alias

-- name: recent_promotion
-- since when a version is champion by a promotion, as a check at :as_of sees it, the live version that a rollback would bring back, and
-- whether it stands in for that one by a fallback, which may last longer than :weeks, and to which a rollback may have returned
-- (a promotion that was recorded after :as_of is of a replay of the past: then it counts from what the version knew)
with recorded as (
    select p.version_id, coalesce(f.from_version_id, p.from_version_id) as from_version_id, f.from_version_id is not null as stands_in,
           case when p.decided_at <= :as_of then p.decided_at else c.as_of end as since
      from analytics.promotions p join analytics.model_versions c using (version_id)
      left join lateral (
          select x.from_version_id
            from analytics.promotions x join analytics.retraining_recommendations q using (recommendation_id)
           where x.version_id = p.version_id and x.alias = 'champion' and x.applied_at is not null and q.action = 'fallback'
           order by x.promotion_id desc limit 1) f on true
     where p.version_id = :version_id and p.alias = 'champion' and p.applied_at is not null
       and p.promotion_id = (select max(n.promotion_id) from analytics.promotions n
                              where n.model_id = p.model_id and n.alias = p.alias and n.applied_at is not null)
       and (p.action = 'promote' or f.from_version_id is not null)
       and exists (select from analytics.alias_decisions d where d.promotion_id = p.promotion_id and d.valid_to is null)
)
select r.since, r.stands_in, v.version_id, v.name, v.version, v.lineage
  from recorded r join analytics.model_versions v on v.version_id = r.from_version_id
 where v.deleted_at is null and v.lineage is not null and (r.stands_in or r.since > cast(:as_of as timestamptz) - make_interval(weeks => :weeks)) and r.since < :as_of

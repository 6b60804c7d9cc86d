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
select r.since, r.stands_in, v.version_id, v.name, v.version, v.as_of as knows, v.lineage
  from recorded r join analytics.model_versions v on v.version_id = r.from_version_id
 where v.deleted_at is null and (r.stands_in or r.since > cast(:as_of as timestamptz) - make_interval(weeks => :weeks)) and r.since < :as_of

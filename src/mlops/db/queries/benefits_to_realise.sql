-- recommendations that were acted on long enough before :as_of to say what it saved: what was promised, the version that was served from
-- then on, until when it was, and the one that it replaced
-- (a promotion that was recorded after :as_of is of a replay of the past: then it counts from what was known for the decision)
with acted as (
    select r.recommendation_id, r.action, r.expected_benefit as promised, r.version_id, r.retrained_version_id,
           case when p.decided_at <= :as_of then p.decided_at else greatest(r.as_of, n.as_of) end as since, e.ended
      from analytics.retraining_recommendations r
      join analytics.promotions p using (recommendation_id)
      join analytics.model_versions n on n.version_id = r.retrained_version_id
      left join lateral (select case when q.decided_at <= :as_of then q.decided_at else coalesce(x.as_of, m.as_of) end as ended
                           from analytics.promotions q
                           join analytics.model_versions m on m.version_id = q.version_id
                           left join analytics.retraining_recommendations x on x.recommendation_id = q.recommendation_id
                          where q.model_id = p.model_id and q.alias = p.alias and q.promotion_id > p.promotion_id and q.applied_at is not null
                          order by q.promotion_id limit 1) e on true
     where r.status = 'done' and r.realised_at is null and r.expected_benefit is not null
       and p.applied_at is not null and p.version_id = r.retrained_version_id
)
select a.recommendation_id, a.action, a.promised, a.since, least(a.since + make_interval(weeks => :weeks), a.ended) as until,
       jsonb_build_object('version_id', n.version_id, 'name', n.name, 'version', n.version, 'lineage', n.lineage) as served,
       jsonb_build_object('version_id', o.version_id, 'name', o.name, 'version', o.version, 'lineage', o.lineage) as other
  from acted a
  join analytics.model_versions n on n.version_id = a.retrained_version_id
  join analytics.model_versions o on o.version_id = a.version_id
 where a.since + make_interval(weeks => :weeks) <= :as_of and n.deleted_at is null and o.deleted_at is null
 order by a.recommendation_id

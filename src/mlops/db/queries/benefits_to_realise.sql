-- recommendations that were acted on long enough before :as_of to say what it saved: the version now served and the one it replaced
-- (a promotion that was recorded after :as_of is of a replay of the past: then it counts from what was known for the decision)
with acted as (
    select r.recommendation_id, r.version_id, r.retrained_version_id,
           case when p.decided_at <= :as_of then p.decided_at else greatest(r.as_of, n.as_of) end as since
      from analytics.retraining_recommendations r
      join analytics.promotions p using (recommendation_id)
      join analytics.model_versions n on n.version_id = r.retrained_version_id
     where r.status = 'done' and r.realised_at is null and r.expected_benefit is not null
       and p.applied_at is not null and p.version_id = r.retrained_version_id
)
select a.recommendation_id, a.since, a.since + make_interval(weeks => :weeks) as until,
       jsonb_build_object('version_id', n.version_id, 'name', n.name, 'version', n.version, 'lineage', n.lineage) as served,
       jsonb_build_object('version_id', o.version_id, 'name', o.name, 'version', o.version, 'lineage', o.lineage) as other
  from acted a
  join analytics.model_versions n on n.version_id = a.retrained_version_id
  join analytics.model_versions o on o.version_id = a.version_id
 where a.since + make_interval(weeks => :weeks) <= :as_of and n.deleted_at is null and o.deleted_at is null
 order by a.recommendation_id

-- one recommendation with the version that it is about, the one that it would bring back, what became of it, and its newest decision
select r.recommendation_id, r.as_of, r.action, r.reasons, r.evidence, r.rule_version, r.cause, r.severity, r.status, r.verdict, r.retrained_version_id,
       r.challenger, r.onset_at, r.expected_benefit, r.cost, r.horizon_weeks, r.expires_at, r.held_by, r.replaced_by,
       r.realised_benefit, r.realised_at, r.created_at, r.decided_at as done_at,
       v.version_id, v.name, v.version, v.kind, v.run_id, v.lineage, v.deleted_at,
       b.version as rollback_version, b.lineage as rollback_lineage, n.version as retrained_version,
       exists (select from analytics.promotions p where p.recommendation_id = r.recommendation_id) as promoted,
       exists (select from analytics.promotions p where p.recommendation_id = r.recommendation_id and p.applied_at is not null) as applied,
       d.decision, d.decided_by, d.reason, d.until, d.decided_at,
       (select min(s.recommendation_id) from analytics.retraining_recommendations s
         where s.version_id = r.version_id and s.status in ('open', 'accepted') and s.action <> 'none' and s.as_of >= r.as_of) as stands
  from analytics.retraining_recommendations r
  join analytics.model_versions v using (version_id)
  left join analytics.model_versions b on b.version_id = r.rollback_version_id
  left join analytics.model_versions n on n.version_id = r.retrained_version_id
  left join lateral (select * from analytics.recommendation_decisions x
                      where x.recommendation_id = r.recommendation_id order by x.decision_id desc limit 1) d on true
 where r.recommendation_id = :recommendation_id

-- recommendations, the newest first: those that wait for somebody, or with :everything all of them
select r.recommendation_id, v.name, v.version, r.as_of, r.action, r.status, r.reasons, r.expected_benefit, r.cost, r.horizon_weeks, r.onset_at,
       r.expires_at, r.verdict, r.realised_benefit, r.realised_at, d.decision, d.decided_by, d.reason, d.until, d.decided_at
  from analytics.retraining_recommendations r
  join analytics.model_versions v using (version_id)
  left join lateral (select * from analytics.recommendation_decisions x
                      where x.recommendation_id = r.recommendation_id order by x.decision_id desc limit 1) d on true
 where :everything or (r.action <> 'none' and r.status in ('open', 'accepted', 'snoozed'))
 order by r.as_of desc, r.recommendation_id desc

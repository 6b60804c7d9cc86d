-- recommendations about a version that were dismissed or put off until after :as_of, each by its newest decision
select r.recommendation_id, r.action, r.cause, coalesce(r.severity, 0) as severity, (r.expected_benefit ->> 'money')::float8 as money,
       d.decision, d.decided_by, d.reason, coalesce(d.until, r.expires_at) as until
  from analytics.retraining_recommendations r
 cross join lateral (select * from analytics.recommendation_decisions n
                      where n.recommendation_id = r.recommendation_id order by n.decision_id desc limit 1) d
 where r.version_id = :version_id and r.as_of <= :as_of and d.decision in ('dismiss', 'snooze') and coalesce(d.until, r.expires_at) > :as_of
 order by r.recommendation_id desc

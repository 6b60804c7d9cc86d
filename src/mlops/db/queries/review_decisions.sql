-- what was decided about recommendations after :since and by :as_of, the newest first (in a replay of the past, when they were made)
select v.name as model, v.version, r.recommendation_id, r.action, d.decision, d.decided_by, d.reason, d.until, d.at as decided_at, r.verdict
  from analytics.retraining_recommendations r
  join analytics.model_versions v using (version_id)
 cross join lateral (select x.*, case when v.model_id = any(:replayed) then r.as_of else x.decided_at end as at
                       from analytics.recommendation_decisions x where x.recommendation_id = r.recommendation_id) d
 where d.at > :since and d.at <= :as_of and r.as_of <= :as_of
 order by d.at desc, d.decision_id desc

-- what acting saved where that was measured after :since and by :as_of, beside what was promised; the newest first
select v.name as model, r.recommendation_id, r.action, v.version as replaced, n.version, r.realised_at, r.expected_benefit as promised, r.realised_benefit as realised
  from analytics.retraining_recommendations r
  join analytics.model_versions v using (version_id)
  left join analytics.model_versions n on n.version_id = r.retrained_version_id
 where r.realised_at > :since and r.realised_at <= :as_of and r.expected_benefit is not null
 order by r.realised_at desc, r.recommendation_id desc

-- ties the recommendation of one week to the findings that it rests on
insert into analytics.recommendation_findings (recommendation_id, finding_id)
select r.recommendation_id, f.finding_id
  from analytics.retraining_recommendations r
  join analytics.model_performance_tracking f using (version_id, as_of)
 where r.version_id = :version_id and r.as_of = :as_of and f.drifted
    on conflict do nothing

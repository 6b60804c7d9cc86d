-- the Evidently snapshot behind a recommendation, as text
select s.snapshot::text
  from analytics.evidently_snapshots s
  join analytics.retraining_recommendations r using (version_id, as_of)
 where r.recommendation_id = :recommendation_id

-- everything that was decided about a recommendation, oldest first
select decision, decided_by, reason, until, decided_at
  from analytics.recommendation_decisions where recommendation_id = :recommendation_id order by decision_id

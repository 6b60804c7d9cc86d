-- records what somebody decided about a recommendation; the table's trigger gives the recommendation its state
insert into analytics.recommendation_decisions (recommendation_id, decision, decided_by, reason, until)
values (:recommendation_id, :decision, :decided_by, :reason, :until)

-- records that a message could not be delivered, and when to try again: after 1, 2, 4 … minutes, at most 6 hours
update analytics.alert_deliveries
   set attempts = attempts + 1, problem = :problem,
       due_at = clock_timestamp() + least(interval '6 hours', interval '1 minute' * 2 ^ least(attempts, 20))
 where delivery_id = :delivery_id

-- records that a channel took a message
update analytics.alert_deliveries
   set sent_at = clock_timestamp(), said_resolved = :said_resolved, attempts = attempts + 1, problem = :problem
 where delivery_id = :delivery_id

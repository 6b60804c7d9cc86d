-- makes room for another recommendation of the same week: its number
update analytics.retraining_recommendations
   set status = 'superseded',
       replaced_by = nextval(pg_get_serial_sequence('analytics.retraining_recommendations', 'recommendation_id'))
 where recommendation_id = :recommendation_id
returning replaced_by

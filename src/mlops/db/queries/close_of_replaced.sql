-- closes recommendations about versions that are champion no more, but for one whose promotion was interrupted: that is still to be finished
update analytics.retraining_recommendations r
   set status = 'superseded'
 where r.status in ('open', 'accepted', 'snoozed')
   and not exists (select from analytics.model_aliases a where a.version_id = r.version_id and a.alias = 'champion' and a.valid_to is null)
   and not exists (select from analytics.promotions p where p.recommendation_id = r.recommendation_id)

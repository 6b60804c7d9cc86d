-- closes open recommendations about versions that are champion no more: nothing can be done about those
update analytics.retraining_recommendations r
   set status = 'superseded'
 where r.status = 'open' and not exists (select from analytics.model_aliases a
                                          where a.version_id = r.version_id and a.alias = 'champion' and a.valid_to is null)

-- closes the time of names that their models no longer have
update analytics.registered_model_names n set valid_to = :at
  from pg_temp.model_changes c
 where c.model_id = n.model_id and n.valid_to is null and (c.renamed or c.change = 'gone')

-- closes the time of aliases that now point elsewhere or nowhere
update analytics.model_aliases a set valid_to = :at
  from pg_temp.alias_changes c
 where c.change = 'ended' and (a.model_id, a.alias) = (c.model_id, c.alias) and a.valid_to is null

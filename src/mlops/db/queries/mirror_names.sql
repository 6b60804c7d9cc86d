-- opens the time of names that models have from now on; the first one counts from the creation of the model
insert into analytics.registered_model_names (model_id, name, valid_from)
select model_id, name, case change when 'new' then least(created_at, :at) else :at end
  from pg_temp.model_changes where renamed or change in ('new', 'returned')

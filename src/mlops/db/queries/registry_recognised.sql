-- gives models the rows of the mirror that they were recognised as
update pg_temp.seen_models m set model_id = f.model_id
  from unnest(cast(:names as text[]), cast(:model_ids as bigint[])) as f (name, model_id)
 where m.name = f.name

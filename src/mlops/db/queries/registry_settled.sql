-- recognises the models that still have the name they had; of models made in the same ms only those that share a version or have none
with known as (
    select model_id, name, created_at, count(*) over (partition by created_at) = 1 as alone
      from analytics.registered_models where deleted_at is null
), seen as (
    select name, created_at, count(*) over (partition by created_at) = 1 as alone from pg_temp.seen_models
), pairs as (
    select model_id, name, k.alone and s.alone as alone from known k join seen s using (name, created_at)
), shared as (
    select distinct p.model_id
      from pairs p
      join pg_temp.seen_versions v using (name)
      join analytics.model_versions w using (model_id, version)
     where not p.alone and w.created_at = v.created_at
)
update pg_temp.seen_models m set model_id = p.model_id
  from pairs p
 where m.name = p.name
   and (p.alone or p.model_id in (select model_id from shared)
        or p.name not in (select name from pg_temp.seen_versions)
           and p.model_id not in (select model_id from analytics.model_versions where deleted_at is null))

-- models not yet recognised and the rows of the mirror, made in the same ms, that they may be; with the times of their versions by number
with seen as (
    select name, created_at from pg_temp.seen_models where model_id is null
), known as (
    select r.* from analytics.registered_models r
     where r.created_at in (select created_at from seen) and not exists (select from pg_temp.seen_models m where m.model_id = r.model_id)
)
select null as model_id, name, created_at, true as live,
       (select coalesce(jsonb_object_agg(v.version, v.created_at), '{}') from pg_temp.seen_versions v where v.name = s.name) as versions
  from seen s where created_at in (select created_at from known)
 union all
select model_id, name, created_at, deleted_at is null,
       (select coalesce(jsonb_object_agg(v.version, v.created_at), '{}') from analytics.model_versions v where v.model_id = k.model_id)
  from known k

-- finds the models that the mirror shows otherwise than the registry
insert into pg_temp.model_changes
select case when r.model_id is null then 'new' when r.deleted_at is not null then 'returned' else 'changed' end,
       r.name <> m.name, m.model_id, m.name, m.created_at, m.description, m.tags
  from pg_temp.seen_models m
  left join analytics.registered_models r using (model_id)
 where (r.model_id, r.name, r.description, r.tags, r.deleted_at) is distinct from (m.model_id, m.name, m.description, m.tags, null)
 union all
select 'gone', false, r.model_id, r.name, r.created_at, r.description, r.tags
  from analytics.registered_models r
 where r.deleted_at is null and not exists (select from pg_temp.seen_models m where m.model_id = r.model_id)

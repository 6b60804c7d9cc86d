-- models as the registry has them
merge into analytics.registered_models r
using (select * from pg_temp.model_changes where change <> 'gone') c on r.model_id = c.model_id
 when matched then
      update set name = c.name, description = c.description, tags = c.tags, seen_at = :at, deleted_at = null
 when not matched then
      insert (model_id, name, created_at, description, tags, seen_at) overriding system value
      values (c.model_id, c.name, c.created_at, c.description, c.tags, :at)

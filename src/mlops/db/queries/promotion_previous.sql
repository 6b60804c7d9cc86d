-- the live version that was champion of a name before the one that is champion now
with champion as (
    select a.model_id, a.version_id, a.valid_from
      from analytics.registered_models m join analytics.model_aliases a using (model_id)
     where m.name = :name and m.deleted_at is null and a.alias = 'champion' and a.valid_to is null
), recorded as (  -- a version that a rollback brought back has its own predecessor, not the one rolled back from
    select p.from_version_id as version_id
      from champion c join analytics.promotions p using (model_id, version_id)
     where p.alias = 'champion' and p.action = 'promote'
     order by p.decided_at desc limit 1
), seen as (  -- moved past the record: the alias history tells
    select a.version_id
      from champion c join analytics.model_aliases a using (model_id)
     where a.alias = 'champion' and a.valid_to <= c.valid_from and a.version_id <> c.version_id
     order by a.valid_to desc limit 1
)
select v.version_id, v.version
  from analytics.model_versions v
 where v.deleted_at is null
   and v.version_id = case when exists (select from recorded) then (select version_id from recorded) else (select version_id from seen) end

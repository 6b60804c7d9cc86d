-- records that a version is to be the champion of its name, unless the newest decision says so already: it holds, or waits and says the same
with target as (
    select v.version_id, v.model_id, v.version_id = n.version_id as holds, b.version_id as before_id
      from analytics.model_versions v
      left join analytics.model_aliases n on n.model_id = v.model_id and n.alias = 'champion' and n.valid_to is null
      left join lateral (  -- the champion now, or the last one when this version is it
           select a.version_id from analytics.model_aliases a
            where a.model_id = v.model_id and a.alias = 'champion' and a.version_id <> v.version_id
            order by a.valid_to desc nulls first limit 1) b on true
     where v.name = :name and v.version = :version and v.deleted_at is null
), newest as (
    select p.* from analytics.promotions p join target t using (model_id)
     where p.alias = 'champion' order by p.promotion_id desc limit 1
)
insert into analytics.promotions (model_id, alias, version_id, from_version_id, action, decided_by, reason, gates, forced, recommendation_id)
select t.model_id, 'champion', t.version_id, t.before_id, :action, :decided_by, :reason, cast(:document as jsonb) -> 'gates', :forced,
       cast(:recommendation_id as bigint)
  from target t
 where not exists (select from newest n where n.version_id = t.version_id and (t.holds or n.applied_at is null and n.action = :action and n.forced >= :forced))

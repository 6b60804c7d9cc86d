-- finds the aliases that the mirror shows otherwise than the registry; asked when the versions are already mirrored
with wanted as (
    select m.model_id, a.key as alias, v.version_id
      from pg_temp.seen_models m
     cross join lateral jsonb_each_text(m.aliases) a
      join analytics.model_versions v on v.model_id = m.model_id and v.version = cast(a.value as int) and v.deleted_at is null
), shown as (
    select model_id, alias, version_id from analytics.model_aliases where valid_to is null
)
insert into pg_temp.alias_changes
select 'ended', s.* from (select * from shown except select * from wanted) s
 union all
select 'set', s.* from (select * from wanted except select * from shown) s

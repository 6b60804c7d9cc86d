-- The mirror of the registry, brought up to date.

-- name: mirror_state
-- which registry the mirror follows, and whether it holds anything of it
select registry, address, synced_at, exists (select from analytics.registered_models) as filled from analytics.registry_mirror

-- name: mirror_models
-- inserts and updates models as the registry has them
merge into analytics.registered_models r
using (select * from pg_temp.model_changes where change <> 'gone') c on r.model_id = c.model_id
 when matched then
      update set name = c.name, description = c.description, tags = c.tags, seen_at = :at, deleted_at = null
 when not matched then
      insert (model_id, name, created_at, description, tags, seen_at) overriding system value
      values (c.model_id, c.name, c.created_at, c.description, c.tags, :at)

-- name: open_model_names
-- begins the validity of new names of models; the first name is valid from the creation of the model
insert into analytics.registered_model_names (model_id, name, valid_from)
select model_id, name, case change when 'new' then least(created_at, :at) else :at end
  from pg_temp.model_changes where renamed or change in ('new', 'returned')

-- name: mirror_versions
-- inserts and updates versions as the registry has them; one whose files may differ from before is marked to be read again
merge into analytics.model_versions r
using (select * from pg_temp.version_changes where change <> 'gone') c on r.version_id = c.version_id
 when matched then
      update set name = c.name, description = c.description, stage = c.stage, status = c.status, source = c.source,
                 logged_model_id = c.logged_model_id, kind = c.kind, tags = c.tags, run_id = c.run_id, run_state = c.run_state,
                 run_name = c.run_name, run_user = c.run_user, experiment = c.experiment, run_began_at = c.run_began_at, run_ended_at = c.run_ended_at, params = c.params, metrics = c.metrics,
                 run_tags = c.run_tags, datasets = c.datasets, altered = c.altered, seen_at = :at, deleted_at = null,
                 lineage_read_at = case when not c.other_files then r.lineage_read_at end
 when not matched then
      insert (model_id, name, version, created_at, description, stage, status, source, logged_model_id, kind, tags, run_id, run_state,
              run_name, run_user, experiment, run_began_at, run_ended_at, params, metrics, run_tags, datasets, altered, seen_at, lineage_state, lineage_problem)
      values (c.model_id, c.name, c.version, c.created_at, c.description, c.stage, c.status, c.source, c.logged_model_id, c.kind, c.tags,
              c.run_id, c.run_state, c.run_name, c.run_user, c.experiment, c.run_began_at, c.run_ended_at, c.params,
              c.metrics, c.run_tags, c.datasets, c.altered, :at,
              'incomplete', 'its files have not been read yet')

-- name: open_aliases
-- begins the validity of aliases that the mirror does not show yet
insert into analytics.model_aliases (model_id, alias, version_id, valid_from)
select model_id, alias, version_id, :at from pg_temp.alias_changes where change = 'set'

-- name: mark_models_deleted
-- sets tombstones on models that the registry no longer has
update analytics.registered_models r set deleted_at = :at
  from pg_temp.model_changes c where c.model_id = r.model_id and c.change = 'gone'

-- name: close_model_names
-- ends the validity of names that their models no longer have
update analytics.registered_model_names n set valid_to = :at
  from pg_temp.model_changes c
 where c.model_id = n.model_id and n.valid_to is null and (c.renamed or c.change = 'gone')

-- name: mark_versions_deleted
-- sets tombstones on versions that the registry no longer has
update analytics.model_versions r set deleted_at = :at
  from pg_temp.version_changes c where c.version_id = r.version_id and c.change = 'gone'

-- name: close_aliases
-- ends the validity of aliases that now point elsewhere or nowhere
update analytics.model_aliases a set valid_to = :at
  from pg_temp.alias_changes c
 where c.change = 'ended' and (a.model_id, a.alias) = (c.model_id, c.alias) and a.valid_to is null

-- name: set_mirror_synced
-- records that the mirror now equals the registry
update analytics.registry_mirror set registry = :registry, address = :address, how = :how, seconds = :seconds, synced_at = :at,
       adopted_at = case when registry = :registry then adopted_at else :at end, failed_at = null, failure = null,
       (models, versions, aliases) = (
           select (select count(*) from analytics.registered_models where deleted_at is null),
                  (select count(*) from analytics.model_versions where deleted_at is null),
                  (select count(*) from analytics.model_aliases where valid_to is null))
returning models, versions, aliases

-- name: set_mirror_failed
-- records why the mirror could not be made equal to the registry
update analytics.registry_mirror set failed_at = clock_timestamp(), failure = :failure

-- name: count_unread_versions
-- how many live versions wait for their files to be read
select count(*) from analytics.model_versions where deleted_at is null and lineage_read_at is null

-- name: unread_versions
-- versions whose files are to be read for their lineage: those that claim one first, then the newest; and some that were unreadable before
with unread as (
    (select version_id, false as again
       from analytics.model_versions
      where deleted_at is null and lineage_read_at is null and (not :claiming or tags ? 'mlops.lineage_sha256')
      order by tags ? 'mlops.lineage_sha256' desc, created_at desc, version_id desc
      limit :most)
     union all
    (select version_id, true
       from analytics.model_versions
      where deleted_at is null and lineage_read_at is not null and not :claiming and lineage_problem like :unreadable
      order by tags ? 'mlops.lineage_sha256' desc, random()
      limit :again)
)
select u.version_id, v.name, v.version, v.created_at, v.run_id, v.source, v.tags, v.seen_at, u.again,
       v.lineage_sha256, a.files
  from unread u join analytics.model_versions v using (version_id) left join analytics.model_anchors a using (version_id)
 order by u.again, v.tags ? 'mlops.lineage_sha256' desc, v.created_at desc, v.version_id desc

-- name: set_lineage
-- stores the lineage that the files of versions carry; a version that changed meanwhile is read again; a complete lineage is kept
update analytics.model_versions r
   set lineage = d.lineage, lineage_sha256 = d.lineage_sha256,
       lineage_state = case when c.claimed then 'claimed' else d.lineage_state end,
       lineage_problem = case when c.claimed then 'it says that mlops train made it, which is not on record here' else d.lineage_problem end,
       as_of = d.as_of, trained_from = d.trained_from, trained_to = d.trained_to,
       inferred_features = d.inferred, lineage_read_at = clock_timestamp()
  from jsonb_to_recordset(cast(:document as jsonb) -> 'versions') as d (
           version_id bigint, seen_at timestamptz, lineage jsonb, lineage_sha256 text, lineage_state text, lineage_problem text,
           as_of timestamptz, trained_from timestamptz, trained_to timestamptz, inferred text[], claims boolean)
 cross join lateral (
       select d.lineage_state = 'complete' and d.claims
              and not exists (select from analytics.model_anchors a where a.version_id = d.version_id and a.anchored_by <> 'sync') as claimed) c
 where r.version_id = d.version_id and r.seen_at = d.seen_at and r.lineage is null

-- name: versions_with_definitions_now
-- versions that lacked a definition which the feature store has by now
select array_agg(v.version_id)
  from analytics.model_versions v
 where v.deleted_at is null and v.lineage_problem = 'a declared feature is not in the feature store'
   and not exists (
       select from jsonb_each(v.lineage -> 'features') f
        where not exists (select from analytics.model_feature_store s
                           where s.name = f.key and s.definition_sha256 = f.value ->> 'definition_sha256'))

-- name: update_lineage_edges
-- writes the lineage edges of some versions: as the models declare them, else inferred by name among the definitions of the time
with named as (
    select * from analytics.model_versions where version_id = any (cast(:versions as bigint[]))
), wanted as (
    select v.version_id, s.feature_id, 'declared' as origin,
           coalesce(case when f.value -> 'importance' between '0' and '1e18' then (f.value ->> 'importance')::float8 end,
                    (v.metrics ->> ('importance.' || f.key))::float8) as importance
      from named v
     cross join lateral jsonb_each(v.lineage -> 'features') f
      join analytics.model_feature_store s on s.name = f.key and s.definition_sha256 = f.value ->> 'definition_sha256'
     union all
    select v.version_id, s.feature_id, 'inferred', (v.metrics ->> ('importance.' || f.name))::float8
      from named v
     cross join lateral unnest(v.inferred_features) f (name)
     cross join lateral (
           select feature_id from analytics.model_feature_store s where s.name = f.name
            order by s.created_at <= v.created_at desc, case when s.created_at <= v.created_at then s.version end desc, s.version
            limit 1) s
     where v.lineage is null
       and not exists (select from unnest(v.inferred_features) n  -- all of its inputs are features, or nothing is guessed
                        where not exists (select from analytics.model_feature_store s where s.name = n))
), gone as (
    delete from analytics.model_version_features e using named v
     where e.version_id = v.version_id
       and not exists (select from wanted w where (w.version_id, w.feature_id) = (e.version_id, e.feature_id))
)
insert into analytics.model_version_features as e (version_id, feature_id, importance, origin)
select version_id, feature_id, importance, origin from wanted
    on conflict (version_id, feature_id) do update set importance = excluded.importance, origin = excluded.origin
 where (e.importance, e.origin) is distinct from (excluded.importance, excluded.origin)

-- name: update_lineage_state
-- marks those of some versions that declare a feature which is not in the feature store, and clears the mark when it is
with missing as (
    select v.version_id, v.lineage_problem as problem, exists (
           select from jsonb_each(v.lineage -> 'features') f
            where not exists (select from analytics.model_feature_store s
                               where s.name = f.key and s.definition_sha256 = f.value ->> 'definition_sha256')) as some
      from analytics.model_versions v
     where v.version_id = any (cast(:versions as bigint[])) and v.lineage is not null
)
update analytics.model_versions v
   set lineage_state = case when m.some then 'incomplete' else 'complete' end,
       lineage_problem = case when m.some then 'a declared feature is not in the feature store' end
  from missing m
 where m.version_id = v.version_id
   and case when m.some then v.lineage_state = 'complete' else v.lineage_problem = 'a declared feature is not in the feature store' end

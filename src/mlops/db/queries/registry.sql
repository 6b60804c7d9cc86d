-- MLflow's registry as it is, and where the mirror shows something else.

-- name: registry_identity
-- the oldest experiment: it identifies a registry, whatever address it is reached by
select experiment_id, creation_time from experiments where creation_time is not null order by creation_time, experiment_id limit 1

-- name: registry_tables_known
-- whether MLflow's tables are here, with the columns that registry_models, registry_versions and registry_runs read
select bool_and(a.attname is not null) as known
  from (values ('registered_models', '{workspace,name,creation_time,description}'::text[]),
               ('registered_model_tags', '{workspace,name,key,value}'),
               ('registered_model_aliases', '{workspace,name,alias,version}'),
               ('model_versions', '{workspace,name,version,creation_time,description,current_stage,status,source,run_id}'),
               ('model_version_tags', '{workspace,name,version,key,value}'),
               ('experiments', '{experiment_id,name,creation_time}'),
               ('runs', '{run_uuid,experiment_id,name,user_id,lifecycle_stage}'),
               ('params', '{run_uuid,key,value}'),
               ('latest_metrics', '{run_uuid,key,value,is_nan}'),
               ('tags', '{run_uuid,key,value}'),
               ('inputs', '{input_uuid,source_type,source_id,destination_type,destination_id}'),
               ('input_tags', '{input_uuid,name,value}'),
               ('datasets', '{dataset_uuid,name,digest,dataset_source_type,dataset_source}')) as needed (relation, columns)
 cross join unnest(needed.columns) as wanted
  left join pg_attribute a on a.attrelid = to_regclass(needed.relation) and a.attname = wanted and not a.attisdropped

-- name: create_registry_tables
-- creates temporary tables for what the registry has and for what differs from it; they last as long as the connection
set local work_mem = '64MB';  -- rows are wide: tags, params and metrics are compared
create temporary table if not exists seen_models (
    name text, created_at timestamptz, description text, tags jsonb, aliases jsonb, model_id bigint
) on commit delete rows;
create temporary table if not exists seen_versions (
    name text, version int, created_at timestamptz, description text, stage text, status text, source text, run_id text, tags jsonb
) on commit delete rows;
create temporary table if not exists seen_runs (
    run_id text, state text, run_name text, run_user text, experiment text, run_began_at timestamptz,
    run_ended_at timestamptz, params jsonb, metrics jsonb, run_tags jsonb, datasets jsonb
) on commit delete rows;
create temporary table if not exists model_changes (
    change text, renamed boolean, model_id bigint, name text, created_at timestamptz, description text, tags jsonb
) on commit delete rows;
create temporary table if not exists version_changes (
    change text, version_id bigint, model_id bigint, name text, version int, created_at timestamptz, description text, stage text,
    status text, source text, logged_model_id text, kind text, tags jsonb, run_id text, run_state text, run_name text, run_user text,
    experiment text, run_began_at timestamptz, run_ended_at timestamptz, params jsonb, metrics jsonb, run_tags jsonb, datasets jsonb, altered text, other_files boolean
) on commit delete rows;
create temporary table if not exists alias_changes (
    change text, model_id bigint, alias text, version_id bigint
) on commit delete rows

-- name: registry_models
-- registered models as MLflow's tables hold them; prompts, which share the tables, are left out
select m.name, to_timestamp(m.creation_time / 1000.0) as created_at, nullif(m.description, '') as description,
       coalesce(t.tags, '{}') as tags, coalesce(a.aliases, '{}') as aliases
  from registered_models m
  left join (select name, jsonb_object_agg(key, coalesce(value, '')) as tags
               from registered_model_tags where workspace = 'default' group by name) t using (name)
  left join (select name, jsonb_object_agg(alias, version) as aliases
               from registered_model_aliases where workspace = 'default' group by name) a using (name)
 where m.workspace = 'default' and (t.tags ->> 'mlflow.prompt.is_prompt') is distinct from 'true'

-- name: registry_versions
-- model versions as MLflow's tables hold them; those of prompts are left out
select v.name, v.version, to_timestamp(v.creation_time / 1000.0) as created_at, nullif(v.description, '') as description,
       v.current_stage as stage, v.status, nullif(v.source, '') as source, nullif(v.run_id, '') as run_id, coalesce(t.tags, '{}') as tags
  from model_versions v
  left join (select name, version, jsonb_object_agg(key, coalesce(value, '')) as tags
               from model_version_tags where workspace = 'default' group by name, version) t using (name, version)
 where v.workspace = 'default' and v.current_stage <> 'Deleted_Internal'
   and v.name not in (select p.name from model_version_tags p
                       where p.workspace = 'default' and p.key = 'mlflow.prompt.is_prompt' and p.value = 'true')

-- name: registry_aliases
-- every alias in MLflow's tables and the version that it means, but those of prompts
select a.name, a.alias, a.version, timestamptz 'epoch' + v.creation_time * interval '1 ms' as created_at
  from registered_model_aliases a join model_versions v using (workspace, name, version)
 where a.workspace = 'default' and v.current_stage <> 'Deleted_Internal'
   and not exists (select from model_version_tags p
                    where p.workspace = a.workspace and p.name = a.name and p.key = 'mlflow.prompt.is_prompt' and p.value = 'true')

-- name: registry_run_ids
-- the runs of the versions that were just read
select array_agg(distinct run_id) from pg_temp.seen_versions where run_id is not null

-- name: registry_runs
-- the runs of registered versions as MLflow's tables hold them, looked up by index because a store has many other runs
select r.run_uuid as run_id, case r.lifecycle_stage when 'deleted' then 'deleted' else 'there' end as state,
       coalesce(nullif(r.name, ''), t.tags ->> 'mlflow.runName') as run_name,
       coalesce(nullif(r.user_id, ''), t.tags ->> 'mlflow.user') as run_user,
       e.name as experiment, to_timestamp(nullif(r.start_time, 0) / 1000.0) as run_began_at,
       to_timestamp(nullif(r.end_time, 0) / 1000.0) as run_ended_at, coalesce(p.params, '{}') as params, coalesce(m.metrics, '{}') as metrics,
       coalesce(t.tags, '{}') as run_tags, coalesce(d.datasets, '[]') as datasets
  from (select distinct run_id from model_versions where workspace = 'default' and current_stage <> 'Deleted_Internal') v
  join runs r on r.run_uuid = v.run_id
  left join experiments e on e.experiment_id = r.experiment_id
 cross join lateral (select jsonb_object_agg(key, value) as params from params where run_uuid = r.run_uuid) p
 cross join lateral (select jsonb_object_agg(key, value) as metrics from latest_metrics
                      where run_uuid = r.run_uuid and not is_nan and value not in ('Infinity', '-Infinity', 'NaN')) m
 cross join lateral (select jsonb_object_agg(key, coalesce(value, '')) as tags from tags where run_uuid = r.run_uuid) t
 cross join lateral (
       select jsonb_agg(jsonb_build_object(
                  'name', s.name, 'digest', s.digest, 'source_type', s.dataset_source_type, 'source', s.dataset_source,
                  'tags', (select coalesce(jsonb_object_agg(i.name, i.value), '{}') from input_tags i where i.input_uuid = n.input_uuid))
              order by s.name collate "C", s.digest collate "C") as datasets
         from inputs n
         join datasets s on s.dataset_uuid = n.source_id
        where n.destination_id = r.run_uuid and n.destination_type = 'RUN' and n.source_type = 'DATASET') d

-- name: empty_registry_tables
-- discards what was read of the registry, because it changed meanwhile
truncate pg_temp.seen_models, pg_temp.seen_versions, pg_temp.seen_runs

-- name: models_not_recognised
-- models not recognised yet and the rows of the mirror, created in the same ms, that they may be; with the times of their versions
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

-- name: recognise_models_by_name
-- recognises models whose name is unchanged; of models created in the same ms only those that share a version or have none
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

-- name: set_recognised_models
-- gives models the ids of the mirror's rows that they were recognised as
update pg_temp.seen_models m set model_id = f.model_id
  from unnest(cast(:names as text[]), cast(:model_ids as bigint[])) as f (name, model_id)
 where m.name = f.name

-- name: number_new_models
-- gives new models an id
update pg_temp.seen_models set model_id = nextval(pg_get_serial_sequence('analytics.registered_models', 'model_id')) where model_id is null

-- name: find_model_changes
-- finds the models that differ between mirror and registry
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

-- name: find_version_changes
-- finds the versions that differ between mirror and registry; what was seen of a run is kept when the run is gone, and its
-- anchored metrics are shown whatever the run says now
with wanted as not materialized (
    select m.model_id, v.name, v.version, v.created_at, v.description, v.stage, coalesce(v.status, 'READY') as status, v.source,
           substring(v.source from '(?:^models:/|/models/)(m-[0-9a-f]{32})(?:/|$)') as logged_model_id,
           v.tags ->> 'mlops.kind' as kind, v.tags, v.run_id, u.run_id is not null as has_run,
           case when v.run_id is null then 'none' else coalesce(u.state, 'gone') end as run_state,
           u.run_name, u.run_user, u.experiment, u.run_began_at, u.run_ended_at, u.params, u.metrics, u.run_tags, u.datasets
      from pg_temp.seen_versions v
      join pg_temp.seen_models m using (name)
      left join pg_temp.seen_runs u using (run_id)
)
insert into pg_temp.version_changes
select case when r.version_id is null then 'new' when r.deleted_at is not null then 'returned' else 'changed' end,
       r.version_id, w.model_id, w.name, w.version, w.created_at, w.description, w.stage, w.status, w.source, w.logged_model_id, coalesce(a.tags ->> 'mlops.kind', w.kind), w.tags,
       w.run_id, w.run_state, k.run_name, k.run_user, k.experiment, k.run_began_at, k.run_ended_at, k.params, k.metrics, k.run_tags, k.datasets,
       o.altered,
       (r.source, r.status, r.run_id, r.tags ->> 'mlops.lineage_sha256')
           is distinct from (w.source, w.status, w.run_id, w.tags ->> 'mlops.lineage_sha256')
  from wanted w
  left join analytics.model_versions r using (model_id, version, created_at)
  left join analytics.model_anchors a on a.version_id = r.version_id
 cross join lateral (
       select w.run_name, w.run_user, w.experiment, w.run_began_at, w.run_ended_at, w.params,
              case when w.metrics @> a.metrics then w.metrics else w.metrics || coalesce(a.metrics, '{}') end as metrics, w.run_tags, w.datasets where w.has_run
        union all
       select r.run_name, r.run_user, r.experiment, r.run_began_at, r.run_ended_at, coalesce(r.params, '{}'), coalesce(r.metrics, '{}'), coalesce(r.run_tags, '{}'),
              coalesce(r.datasets, '[]') where not w.has_run) k
 cross join lateral (
       select case when a.version_id is null or (w.metrics @> a.metrics or not w.has_run) and w.tags @> a.tags then null else (
              select string_agg(format('%s %s is %s, and %s was recorded', d.what, d.key, coalesce(left(d.now, 40), 'gone'), left(d.was, 40)), '; ' order by d.what, d.key)
                from (select 'the metric' as what, m.key, w.metrics ->> m.key as now, m.value #>> '{}' as was
                        from jsonb_each(a.metrics) m where w.has_run and w.metrics -> m.key is distinct from m.value
                       union all
                      select 'the tag', t.key, w.tags ->> t.key, t.value #>> '{}'
                        from jsonb_each(a.tags) t where w.tags -> t.key is distinct from t.value
                       order by what, key limit 5) d) end as altered) o
 where r.version_id is null
    or (r.name, r.description, r.stage, r.status, r.source, r.logged_model_id, r.kind, r.tags, r.run_id, r.run_state,
        r.run_name, r.run_user, r.experiment, r.run_began_at, r.run_ended_at, r.params, r.metrics, r.run_tags, r.datasets, r.altered, r.deleted_at)
       is distinct from
       (w.name, w.description, w.stage, w.status, w.source, w.logged_model_id, coalesce(a.tags ->> 'mlops.kind', w.kind), w.tags, w.run_id, w.run_state,
        k.run_name, k.run_user, k.experiment, k.run_began_at, k.run_ended_at, k.params, k.metrics, k.run_tags, k.datasets, o.altered, null)
 union all
select 'gone', r.version_id, r.model_id, r.name, r.version, r.created_at, r.description, r.stage, r.status, r.source, r.logged_model_id, r.kind,
       r.tags, r.run_id, r.run_state, r.run_name, r.run_user, r.experiment, r.run_began_at, r.run_ended_at, r.params, r.metrics, r.run_tags, r.datasets, r.altered, false
  from analytics.model_versions r
 where r.deleted_at is null
   and not exists (select from pg_temp.seen_versions v join pg_temp.seen_models m using (name)
                    where (m.model_id, v.version, v.created_at) = (r.model_id, r.version, r.created_at))

-- name: find_alias_changes
-- finds the aliases that differ between mirror and registry; runs after the versions are mirrored
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

-- name: count_registry_changes
-- how many rows of each kind differ from the registry
select 'models' as what, change, count(*) as rows from pg_temp.model_changes group by change
 union all
select 'models', 'renamed', count(*) from pg_temp.model_changes where renamed having count(*) > 0
 union all
select 'versions', change, count(*) from pg_temp.version_changes group by change
 union all
select 'aliases', change, count(*) from pg_temp.alias_changes group by change

-- name: versions_with_changed_runs
-- versions with lineage whose runs may hold other importances than before
select array_agg(c.version_id)
  from pg_temp.version_changes c join analytics.model_versions v using (version_id)
 where c.change in ('changed', 'returned') and (v.lineage is not null or v.inferred_features is not null)

-- name: registry_read_time
-- the time to which this sync dates history: after everything was read, and never before an earlier sync
select greatest(clock_timestamp(), synced_at) from analytics.registry_mirror

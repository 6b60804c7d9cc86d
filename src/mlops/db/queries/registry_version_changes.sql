-- finds the versions that the mirror shows otherwise than the registry; what was seen of a run stays when the run is gone, and what
-- was anchored of its metrics is shown whatever it says now
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

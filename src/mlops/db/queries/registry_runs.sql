-- the runs of registered versions as MLflow's tables hold them, by their index: a store has many other runs
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

-- versions as the registry has them; run facts and lineage are written once and then kept, for the registry may lose them
insert into analytics.model_versions as r
       (model_id, name, version, created_at, kind, run_id, source, status, tags, params, metrics,
        lineage, lineage_sha256, lineage_state, lineage_problem, as_of, trained_from, trained_to)
select m.model_id, v.name, v.version, v.created_at, v.kind, v.run_id, v.source, v.status, v.tags,
       coalesce(v.params, '{}'), coalesce(v.metrics, '{}'), v.lineage, v.lineage_sha256,
       coalesce(v.lineage_state, 'complete'), v.lineage_problem, v.as_of, v.trained_from, v.trained_to
  from jsonb_to_recordset(cast(:document as jsonb) -> 'versions') as v (
           name text, version int, created_at timestamptz, kind text, run_id text, source text, status text, tags jsonb,
           params jsonb, metrics jsonb, lineage jsonb, lineage_sha256 text, lineage_state text, lineage_problem text,
           as_of timestamptz, trained_from timestamptz, trained_to timestamptz)
  join analytics.registered_models m on m.name = v.name and m.deleted_at is null
    on conflict (name, version, created_at) do update
   set status = excluded.status, tags = excluded.tags, source = excluded.source, seen_at = now(), deleted_at = null,
       params = case when r.lineage_state = 'complete' then r.params else excluded.params end,
       metrics = case when r.lineage_state = 'complete' then r.metrics else excluded.metrics end,
       lineage = coalesce(r.lineage, excluded.lineage),
       lineage_sha256 = coalesce(r.lineage_sha256, excluded.lineage_sha256),
       lineage_state = case when r.lineage_state = 'complete' then 'complete' else excluded.lineage_state end,
       lineage_problem = case when r.lineage_state = 'complete' then null else excluded.lineage_problem end,
       as_of = coalesce(r.as_of, excluded.as_of),
       trained_from = coalesce(r.trained_from, excluded.trained_from),
       trained_to = coalesce(r.trained_to, excluded.trained_to)
 where (r.status, r.tags, r.source, r.deleted_at) is distinct from (excluded.status, excluded.tags, excluded.source, null)
    or (r.lineage_state, r.lineage_problem) is distinct from (excluded.lineage_state, excluded.lineage_problem)

-- empty places for what the registry says and for what differs from it; they stay with the connection
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

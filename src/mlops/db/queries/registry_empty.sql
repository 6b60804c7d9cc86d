-- forgets what was read of the registry, for it changed meanwhile
truncate pg_temp.seen_models, pg_temp.seen_versions, pg_temp.seen_runs

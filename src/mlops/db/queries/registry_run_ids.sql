-- the runs that the versions just read name
select array_agg(distinct run_id) from pg_temp.seen_versions where run_id is not null

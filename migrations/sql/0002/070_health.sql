-- One row per check, each with what to do. Nothing here counts a table of observations: it reads catalogues, indexes and small tables.

drop function analytics.check_system_health();

create function analytics.short_name(p_relation regclass) returns text
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select relname::text from pg_class where oid = p_relation
$$;
comment on function analytics.short_name is 'The name of a table or index without its schema.';

create function analytics.in_words(p_span interval) returns text
language sql immutable set search_path = pg_catalog, pg_temp
as $$
    select case when s < 120 then round(s) || ' s' when s < 7200 then round(s / 60) || ' min'
                when s < 172800 then round(s / 3600) || ' h' else round(s / 86400) || ' days' end
      from (select date_part('epoch', p_span)::numeric) e (s)
$$;
comment on function analytics.in_words is 'A span of time in its largest sensible unit: 90 s, 15 min, 30 h, 12 days.';

create function analytics.check_system_health()
returns table (check_name text, status text, figure text, advice text)
language plpgsql stable set search_path = pg_catalog, pg_temp set timezone = 'UTC'
as $$
#variable_conflict use_column
declare
    statements_in name;
    newest        timestamptz;
    part          record;
    every         bigint;
begin
    -- partitions ----------------------------------------------------------------------------------------------------------------
    return query
    with parts as (
        select p.parent, b.lower_bound, b.upper_bound,
               p.premake_months as premake, p.keep_months as keep
          from analytics.partition_policy p
          left join pg_inherits i on i.inhparent = p.parent
          left join pg_class c on c.oid = i.inhrelid
          left join lateral (select m[1]::timestamptz as lower_bound, m[2]::timestamptz as upper_bound
                               from regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \(''([^'']+)''\) TO \(''([^'']+)''\)') m) b on true
    ), months as (
        select parent, premake, keep,
               count(*) filter (where upper_bound > now()) as ahead,
               count(*) filter (where upper_bound <= date_trunc('month', now()) - make_interval(months => keep)) as overdue,
               min(lower_bound) filter (where upper_bound <= date_trunc('month', now()) - make_interval(months => keep)) as oldest
          from parts group by parent, premake, keep
    )
    select 'partitions ahead: ' || analytics.short_name(parent), case when ahead > premake then 'ok' else 'watch' end,
           format('%s months, this one included', ahead),
           case when ahead > premake then ''
                when ahead = 0 then 'none yet for the current month; the next write makes it'
                else format('the policy wants %s beyond this month: run mlops db maintain', premake) end
      from months
     where coalesce(premake, 1) > 0
    union all
    select 'retention: ' || analytics.short_name(parent), case when overdue = 0 then 'ok' else 'watch' end,
           format('%s months past their %s', overdue, keep) || coalesce(', the oldest ' || to_char(oldest, 'YYYY-MM'), ''),
           case when overdue = 0 then '' else 'run mlops db maintain, which archives and drops them, or keep them: update analytics.partition_policy set keep_months = null' end
      from months
     where keep is not null;

    -- what comes in -------------------------------------------------------------------------------------------------------------
    select greatest(count(*) / 5000, 1) into every from analytics.series;
    for part in  -- the newest partition that holds anything; those made ahead are empty
        select c.oid::regclass as name
          from pg_inherits i join pg_class c on c.oid = i.inhrelid
         where i.inhparent = 'analytics.time_series_metrics'::regclass and pg_relation_size(c.oid) > 0
         order by (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \(''([^'']+)'''))[1]::timestamptz desc
    loop
        execute format(
            'select max(l.observed_at) from analytics.series s
              cross join lateral (select observed_at from %s o where o.series_id = s.series_id order by observed_at desc limit 1) l
              where s.series_id %% $1 = 0', part.name) into newest using every;
        exit when newest is not null;
    end loop;
    return query
    select 'newest observation', case when newest is null then 'watch' else 'ok' end,
           coalesce(to_char(newest, 'YYYY-MM-DD HH24:MI "UTC"') || case when every > 1 then format(' (one series in %s asked)', every) else '' end, 'none'),
           case when newest is null then 'bring data in: mlops series ingest FILE' else '' end;

    return query
    with batches as (
        select finished_at, finished_at - lag(finished_at) over (order by finished_at) as gap
          from (select finished_at from analytics.ingest_batches where status <> 'refused' order by batch_id desc limit 21) b
    ), rhythm as (
        select max(finished_at) as last, greatest(3 * percentile_cont(0.5) within group (order by gap), interval '2 days') as patience from batches
    )
    select 'ingest', case when last is null or now() - last > patience then 'watch' else 'ok' end,
           coalesce('last file ' || analytics.in_words(now() - last) || ' ago', 'no file yet'),
           case when last is null then 'bring data in: mlops series ingest FILE'
                when now() - last > patience then 'longer than usual; see analytics.ingest_batches and whoever sends the files' else '' end
      from rhythm;

    return query
    select 'refused rows', case when sum(refused) > 0 then 'watch' else 'ok' end, format('%s in the last 7 days', coalesce(sum(refused), 0)),
           case when sum(refused) > 0 then 'each has its reason in analytics.refused_rows' else '' end
      from (select refused, finished_at from analytics.ingest_batches order by batch_id desc limit 1000) b
     where finished_at > now() - interval '7 days';

    -- rollups and views ---------------------------------------------------------------------------------------------------------
    return query
    with backlog as (
        select (select count(*) from (select from analytics.dirty_days limit 100001) d) as marks,
               (select now() - marked_at from analytics.dirty_days order by mark_id limit 1) as age
    )
    select 'days to summarise', case when age > interval '1 day' or marks > 100000 then 'watch' else 'ok' end,
           case when marks = 0 then 'none' when marks > 100000 then 'more than 100000 marks' else format('%s marks', marks) end
               || coalesce(', the oldest ' || analytics.in_words(age) || ' old', ''),
           case when age > interval '1 day' or marks > 100000 then 'run mlops db maintain, and plan it daily' else '' end
      from backlog;

    return query
    with marks as (
        select source, min(marked_at) as marked_at from analytics.dirty_sources group by source
    ), views as (
        select f.view_name, f.error, f.refreshed_at is null as never, least(f.stale_since, min(m.marked_at)) as since
          from analytics.view_freshness f left join marks m on m.source = any(f.sources) group by f.view_name
    ), found as (
        select count(*) as n, count(*) filter (where since is not null or never) as stale, count(*) filter (where never) as never,
               min(since) as oldest from views
    )
    select 'views', case when oldest < now() - interval '1 day' then 'watch' else 'ok' end,
           case when stale = 0 then format('all %s fresh', n) else format('%s of %s stale', stale, n) end
               || coalesce(', since ' || analytics.in_words(now() - oldest), '')
               || case when never > 0 then format(', %s never refreshed', never) else '' end,
           case when oldest < now() - interval '1 day' then 'run mlops db maintain, and plan it daily' else '' end
      from found
    union all
    select 'view ' || view_name, 'bad', error, 'correct what the error says, then run mlops db maintain'
      from views where error is not null;

    -- models --------------------------------------------------------------------------------------------------------------------
    return query
    with waiting as (
        select count(*) as n from (
            select from analytics.model_prediction_results p
             where p.outcome is null and p.target_at < now()
               and exists (select from analytics.time_series_metrics m
                            where m.series_id = p.series_id and m.observed_at = p.target_at and coalesce(m.quality_score, 1) > 0)
             limit 10001) w
    )
    select 'outcomes to match', case when n = 0 then 'ok' else 'watch' end, case when n > 10000 then 'more than 10000' else n::text end || ' predictions',
           case when n = 0 then '' else 'run mlops outcomes match' end
      from waiting
    union all
    select 'lineage', case when count(*) = 0 then 'ok' else 'bad' end, count(*) || ' live versions without complete lineage',
           case when count(*) = 0 then '' else 'see lineage_problem in analytics.model_versions' end
      from analytics.model_versions where lineage_state = 'incomplete' and deleted_at is null
    union all
    select 'recommendations', case when count(*) = 0 then 'ok' else 'watch' end, count(*) || ' open',
           case when count(*) = 0 then '' else 'read mlops review' end
      from analytics.retraining_recommendations where status = 'open' and action <> 'none';

    -- the server ----------------------------------------------------------------------------------------------------------------
    return query
    with most as (
        select current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int as n
    ), used as (
        select count(*) as n from pg_stat_activity where backend_type = 'client backend'
    )
    select 'connections', case when used.n < most.n * 0.8 then 'ok' else 'bad' end, format('%s of %s', used.n, most.n),
           case when used.n < most.n * 0.8 then '' else 'raise max_connections or use a pooler' end
      from used, most;

    return query
    with tables as (  -- partitions count for their parent
        select analytics.short_name(coalesce(i.inhparent, t.relid)) as name, sum(t.n_dead_tup) as dead, sum(t.n_live_tup) as live,
               sum(t.seq_scan) as scans, sum(t.seq_tup_read) as read, sum(t.idx_scan) as index_scans, sum(pg_relation_size(t.relid)) as bytes
          from pg_stat_user_tables t left join pg_inherits i on i.inhrelid = t.relid
         where t.schemaname = 'analytics' group by 1
    ), bloated as (
        select name, dead / (dead + live) as share from tables where bytes > 16 * 1024 * 1024 and dead > 0.2 * (dead + live)
    ), scanned as (
        select name, read / scans as rows_each, scans from tables where scans > 100 and read / scans > 50000 and scans > coalesce(index_scans, 0) / 100
    )
    select 'bloat', case when count(*) = 0 then 'ok' else 'watch' end,
           coalesce(string_agg(format('%s: %s %% dead rows', name, round(100 * share)), '; ' order by share desc), 'no table above 16 MB has more than 20 % dead rows'),
           case when count(*) = 0 then '' else format('run vacuum (analyze) analytics.%s; autovacuum is too slow, or an old transaction is open', min(name)) end
      from bloated
    union all
    select 'missing indexes', case when count(*) = 0 then 'ok' else 'watch' end,
           coalesce(string_agg(format('%s: read whole %s times, %s rows each', name, scans, round(rows_each)), '; ' order by scans * rows_each desc),
                    'no large table is often read whole'),
           case when count(*) = 0 then '' else 'find the statement under slow statements, look at its explain, and give it a time range or an index' end
      from scanned;

    return query
    with indexes as (
        select analytics.short_name(coalesce(i.inhparent, s.indexrelid)) as name, sum(s.idx_scan) as scans, sum(pg_relation_size(s.indexrelid)) as bytes
          from pg_stat_user_indexes s
          join pg_index x using (indexrelid)
          left join pg_inherits i on i.inhrelid = s.indexrelid
         where s.schemaname = 'analytics' and not x.indisunique and not x.indisprimary and s.idx_scan = 0
         group by 1
    ), used as (  -- an index is unused when none of its parts is used
        select distinct analytics.short_name(i.inhparent) as name from pg_stat_user_indexes s join pg_inherits i on i.inhrelid = s.indexrelid where s.idx_scan > 0
    ), unused as (
        select * from indexes where bytes > 16 * 1024 * 1024 and name not in (select name from used)
    ), since as (
        select coalesce(stats_reset, pg_postmaster_start_time()) as at from pg_stat_database where datname = current_database()
    )
    select 'unused indexes', case when count(u.name) = 0 then 'ok' else 'watch' end,
           coalesce(string_agg(u.name || ': ' || pg_size_pretty(u.bytes), '; ' order by u.bytes desc)
                        || ', not used since ' || to_char(min(s.at), 'YYYY-MM-DD'), 'none above 16 MB'),
           coalesce('if no rare report needs it: drop index analytics.' || min(u.name), '')
      from since s left join unused u on true;

    select n.nspname into statements_in from pg_extension e join pg_namespace n on n.oid = e.extnamespace where e.extname = 'pg_stat_statements';
    if not found then
        return query select 'slow statements', 'ok', 'not recorded',
            'to see them: shared_preload_libraries = pg_stat_statements in the server''s configuration, restart, create extension pg_stat_statements';
    else
        begin
            return query execute format(
                'select ''slow statements'', case when count(*) = 0 then ''ok'' else ''watch'' end,
                        case when count(*) = 0 then ''none with a mean above 0.5 s'' else count(*) || '' with a mean above 0.5 s; the one that took most: ''
                             || round(max(mean_exec_time)::numeric / 1000, 1) || '' s at most in the mean; '' || (array_agg(calls || '' × '' || left(regexp_replace(query, ''\s+'', '' '', ''g''), 80) order by total_exec_time desc))[1] end,
                        case when count(*) = 0 then '''' else ''see mean_exec_time in %1$I.pg_stat_statements; explain (analyze, buffers) says why'' end
                   from %1$I.pg_stat_statements
                  where dbid = (select oid from pg_database where datname = current_database()) and calls >= 5 and mean_exec_time > 500
                    and query !~* ''^\s*(copy|vacuum|analyze|create|alter|refresh|select .* from analytics\.refresh)''', statements_in);
        exception when others then
            return query select 'slow statements', 'watch', sqlerrm,
                'shared_preload_libraries = pg_stat_statements in the server''s configuration, then restart; a reader needs the role pg_read_all_stats';
        end;
    end if;
end $$;
comment on function analytics.check_system_health is 'One row per check: ok, watch or bad, the figure, and what to do. Cheap: it counts no table of observations.';

-- One row per check, each with what to do. Nothing here counts a table of observations: it reads catalogues, indexes and small tables.

create function analytics.check_store_health()
returns table (check_name text, status text, figure text, advice text)
language plpgsql stable set search_path = pg_catalog, pg_temp set timezone = 'UTC'
set standard_conforming_strings = on set quote_all_identifiers = off
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
comment on function analytics.check_store_health is 'The checks of analytics.check_system_health() about the store and the server.';

create function analytics.check_data_health()
returns table (check_name text, status text, figure text, advice text)
language sql stable set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on set quote_all_identifiers = off
as $$
    with incomplete as (
        select analytics.gate_does_not_apply(v.version_id, 'lineage') as elsewhere,
               exists (select from analytics.model_aliases a
                        where a.version_id = v.version_id and a.valid_to is null and a.alias in ('champion', 'challenger'))
            or exists (select from analytics.model_prediction_results p
                        where p.version_id = v.version_id and p.target_at > now() - interval '28 days') as serves
          from analytics.model_versions v where v.lineage_state = 'incomplete' and v.deleted_at is null
    ), lineage as (
        select count(*) filter (where serves and not elsewhere) as served, count(*) filter (where serves and elsewhere) as elsewhere,
               count(*) filter (where not serves) as others
          from incomplete
    )
    select * from analytics.check_store_health() where check_name <> 'lineage'
    union all
    select 'lineage', case when served = 0 then 'ok' else 'bad' end,
           case when served + others = 0 then 'complete' when served = 0 then 'complete for all that serve' else format('missing for %s that serve', served) end
               || case when others = 0 then '' when served = 0 then format(', missing for %s that do not', others) else format(' and for %s that do not', others) end
               || case when elsewhere = 0 then '' else format('; %s of another library, champion by a decision on record', elsewhere) end,
           case when served = 0 then '' else 'see lineage_problem in analytics.model_versions' end
      from lineage
    union all
    select 'alerts', case when count(*) filter (where severity = 'critical') > 0 then 'bad' when count(*) > 0 then 'watch' else 'ok' end,
           case when count(*) = 0 then 'none open'
                else format('%s open, %s critical, the oldest %s old', count(*), count(*) filter (where severity = 'critical'),
                            analytics.in_words(now() - min(opened_at))) end,
           case when count(*) = 0 then '' else 'read mlops alerts list' end
      from analytics.alerts where resolved_at is null
$$;
comment on function analytics.check_data_health is 'The checks of analytics.check_system_health() about what is stored, and whether it is kept current.';

create function analytics.check_months_health()
returns table (check_name text, status text, figure text, advice text)
language sql stable set search_path = pg_catalog, pg_temp set timezone = 'UTC'
set standard_conforming_strings = on set quote_all_identifiers = off
as $$
    with months as (
        select p.parent, p.premake_months as premake,
               count(*) filter (where b.upper_bound > now() and b.lower_bound > now()) as later,
               count(*) filter (where b.upper_bound > now() and b.lower_bound <= now()) > 0 as here
          from analytics.partition_policy p
          left join lateral (select m[1]::timestamptz as lower_bound, m[2]::timestamptz as upper_bound
                               from pg_inherits i join pg_class c on c.oid = i.inhrelid,
                                    regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM [(]''([^'']+)''[)] TO [(]''([^'']+)''[)]') m
                              where i.inhparent = p.parent) b on true
         where p.premake_months > 0
         group by p.parent, p.premake_months
    )
    select 'partitions ahead: ' || analytics.short_name(parent),
           case when here and later >= premake then 'ok' when not here and later > 0 then 'bad' else 'watch' end,
           case when here or later = 0 then format('%s months, this one included', later + here::int)
                else format('this month (%s) is missing, of the months after it %s are there', to_char(now(), 'YYYY-MM'), later) end,
           case when here and later >= premake then ''
                when here then format('the policy wants %s beyond this month: run mlops db maintain', premake)
                when later = 0 then 'none yet for the current month; the next write makes it'
                else 'run mlops db maintain, which makes it: what SQL clients write for this month is refused until then' end
      from months order by parent::text
$$;
comment on function analytics.check_months_health is 'For each table that is partitioned by month: is there a partition for now, and are there enough beyond it.';

-- What leaves the database next, and whether somebody has agreed to that.
create function analytics.check_retention_health()
returns table (check_name text, status text, figure text, advice text)
language sql stable set search_path = pg_catalog, pg_temp set timezone = 'UTC' set standard_conforming_strings = on set quote_all_identifiers = off
as $$
    select 'retention: ' || analytics.short_name(parent), case when due > 0 then 'watch' else 'ok' end,
           case when due > 0 then format('%s months past their %s, the oldest %s', due, keep_months, to_char(due_from, 'YYYY-MM'))
                when kept_from is null then format('%s months are kept; nothing is there', keep_months)
                else format('%s months are kept, from %s on', keep_months, to_char(kept_from, 'YYYY-MM')) end
               || case when agreed then format('; agreed since %s by %s', to_char(agreed_at, 'YYYY-MM-DD'), agreed_by)
                       when due > 0 then format('; they stay: %s', why)
                       when agreed_at is null then '; the first drop asks'
                       else format('; the next drop asks: %s', why) end,
           case when due = 0 then ''
                when agreed then format('run mlops db maintain, which %s them', case when archive then 'archives and drops' else 'deletes' end)
                else format('mlops db maintain --yes %s them; mlops db retention %s --for-ever keeps them',
                            case when archive then 'archives and drops' else 'deletes' end, analytics.short_name(parent)) end
      from analytics.retention() where keep_months is not null
$$;
comment on function analytics.check_retention_health is 'For each table with a retention of its own: what is due to leave the database, and since when that is agreed.';

create function analytics.check_server_health(p_idle interval default '15 minutes', p_long interval default '1 hour')
returns table (check_name text, status text, figure text, advice text)
language plpgsql stable set search_path = pg_catalog, pg_temp set timezone = 'UTC'
set standard_conforming_strings = on set quote_all_identifiers = off
as $$
#variable_conflict use_column
begin
    return query
    with broken as (
        select format('%I.%I', n.nspname, i.relname) as name, x.indisunique, i.relkind = 'I' as parted,
               case when i.relkind = 'I' then (  -- partitions on which no part of this index is attached
                    select count(*) from pg_inherits p
                     where p.inhparent = x.indrelid and not exists (
                           select from pg_inherits a join pg_index part on part.indexrelid = a.inhrelid
                            where a.inhparent = x.indexrelid and part.indrelid = p.inhrelid and part.indisvalid)) end as lacking
          from pg_index x
          join pg_class i on i.oid = x.indexrelid
          join pg_namespace n on n.oid = i.relnamespace
         where not (x.indisvalid and x.indisready and x.indislive) and n.nspname in ('analytics', 'mlflow')
           and not exists (select from pg_stat_progress_create_index b where b.index_relid = x.indexrelid)
    )
    select 'invalid indexes', case when count(*) = 0 then 'ok' when bool_or(indisunique) then 'bad' else 'watch' end,
           coalesce(string_agg(name || case when parted then format(' (%s partitions lack it)', lacking) else '' end, ', ' order by name), 'none'),
           case when count(*) = 0 then ''
                when (array_agg(parted order by name))[1]
                then format('on each partition that lacks it: create index concurrently, then alter index %s attach partition it', min(name))
                else format('no query uses it and every write pays for it: reindex index concurrently %s, or drop it', min(name)) end
      from broken;

    return query
    with sessions as (
        select pid, coalesce(usename, '?') as who, coalesce(nullif(application_name, ''), '?') as what, state,
               now() - xact_start as age, now() - state_change as since, query = '<insufficient privilege>' as hidden
          from pg_stat_activity
         where datname = current_database() and pid <> pg_backend_pid() and coalesce(backend_type, 'client backend') = 'client backend'
    ), old as (
        select pid, since as age, format('idle in a transaction for %s (pid %s, %s, %s)', analytics.in_words(since), pid, who, what) as words
          from sessions where state like 'idle in transaction%' and since > p_idle
        union all
        select pid, age, format('at work for %s (pid %s, %s, %s)', analytics.in_words(age), pid, who, what)
          from sessions where state = 'active' and age > p_long
        union all
        select null, now() - prepared, format('prepared %s ago and not ended (%s)', analytics.in_words(now() - prepared), gid)
          from pg_prepared_xacts where database = current_database() and prepared < now() - p_long
    ), told as (
        select count(*) as n, max(age) as age, string_agg(words, '; ' order by age desc) as words, (array_agg(pid order by age desc))[1] as pid,
               (array_agg(words order by age desc))[1] as worst
          from old
    ), hidden as (
        select count(*) as n from sessions where hidden
    )
    select 'long transactions', case when t.n = 0 then 'ok' when t.age > interval '1 day' then 'bad' else 'watch' end,
           coalesce(t.words, 'none') || case when h.n > 0 then format('; %s sessions of other roles are not visible to this role', h.n) else '' end,
           case when t.n > 0 then 'vacuum and changes of the schema wait for it; if nobody needs it: '
                                  || case when t.pid is null then 'rollback prepared ' || quote_literal(regexp_replace(t.worst, '^.*[(](.*)[)]$', '\1'))
                                          else format('select pg_terminate_backend(%s)', t.pid) end
                when h.n > 0 then format('to see them: grant pg_read_all_stats to %I', current_user) else '' end
      from told t, hidden h;

    return query
    with ages as (
        select datname, age(datfrozenxid)::bigint as xids, mxid_age(datminmxid)::bigint as multis from pg_database
    ), worst as (
        select max(xids) as xids, max(multis) as multis, (array_agg(datname order by greatest(xids, multis) desc))[1] as name from ages
    ), judged as (
        select *, greatest(xids, multis) > 1500000000 as bad,
               xids > greatest(2 * current_setting('autovacuum_freeze_max_age')::bigint, 400000000)
            or multis > greatest(2 * current_setting('autovacuum_multixact_freeze_max_age')::bigint, 800000000) as late
          from worst
    )
    select 'transaction ids', case when bad then 'bad' when late then 'watch' else 'ok' end,
           format('%s %% of the way to wraparound, multixacts %s %%', round(xids / 21474836.48), round(multis / 21474836.48))
               || case when bad or late then format(' (database %s)', name) else '' end,
           case when bad or late then format('the server takes no writes at 100 %%: end old transactions, drop inactive slots, then vacuum (freeze) in database %s', name)
                else '' end
      from judged;

    return query
    with slots as (
        select slot_name, coalesce(wal_status, 'reserved') = 'lost' as lost,
               pg_wal_lsn_diff(case when pg_is_in_recovery() then pg_last_wal_replay_lsn() else pg_current_wal_lsn() end, restart_lsn) as kept
          from pg_replication_slots where not active and not temporary
    )
    select 'replication slots', case when count(*) = 0 then 'ok' when bool_or(lost or kept > 10 * 1024 ^ 3) then 'bad' else 'watch' end,
           coalesce(string_agg(format('%s is inactive', slot_name)
                               || case when lost then ' and lost' else ' and keeps ' || pg_size_pretty(coalesce(kept, 0)) || ' of WAL' end,
                               '; ' order by kept desc nulls last), 'none is inactive'),
           case when count(*) = 0 then ''
                else format('WAL is kept for it until the disk is full: let its reader connect, or select pg_drop_replication_slot(%L)',
                            (array_agg(slot_name order by kept desc nulls last))[1]) end
      from slots;

    return query
    with off as (
        select c.oid::regclass::text as name
          from pg_class c join pg_namespace n on n.oid = c.relnamespace
         where n.nspname in ('analytics', 'mlflow') and c.relkind in ('r', 'm')
           and exists (select from unnest(c.reloptions) o where o ~* '^autovacuum_enabled=(f|of|n|0)')
    ), told as (
        select count(*) as n, string_agg(name, ', ' order by name) filter (where number <= 5) as names, min(name) as one
          from (select name, row_number() over (order by name) as number from off) o
    ), server as (
        select current_setting('autovacuum')::bool and current_setting('track_counts')::bool as runs
    )
    select 'autovacuum', case when not runs then 'bad' when n > 0 then 'watch' else 'ok' end,
           case when not current_setting('autovacuum')::bool then 'off for the whole server'
                when not runs then 'track_counts is off, so it does nothing'
                when n > 0 then 'off for ' || names || case when n > 5 then format(' and %s more', n - 5) else '' end else 'on' end,
           case when not runs then 'dead rows are never cleared and transaction ids run out: set autovacuum and track_counts to on in the server''s configuration'
                when n > 0 then format('alter table %s reset (autovacuum_enabled)', one) else '' end
      from told, server;
end $$;
comment on function analytics.check_server_health is 'The checks of analytics.check_system_health() about the server and its catalogue; what a role may not see is said to be so.';

create function analytics.check_system_health()
returns table (check_name text, status text, figure text, advice text)
language plpgsql stable set search_path = pg_catalog, pg_temp set standard_conforming_strings = on set quote_all_identifiers = off
as $$
#variable_conflict use_column
declare
    hidden constant text := format('this role lacks a right: grant select on all tables in schema analytics to %I', current_user);
begin
    begin
        return query select * from analytics.check_months_health();
    exception when insufficient_privilege then
        return query select 'partitions ahead', 'watch', 'not visible to this role', hidden;
    end;
    begin
        return query select * from analytics.check_retention_health();
    exception when insufficient_privilege then
        return query select 'retention', 'watch', 'not visible to this role', hidden;
    end;
    begin
        return query select * from analytics.check_data_health() d where d.check_name not like 'partitions ahead%' and d.check_name not like 'retention: %';
    exception when insufficient_privilege then
        return query select 'data', 'watch', 'not visible to this role', hidden;
    end;
    begin
        return query select * from analytics.check_server_health();
    exception when insufficient_privilege then
        return query select 'server', 'watch', 'not visible to this role', hidden;
    end;
end $$;
comment on function analytics.check_system_health is 'One row per check: ok, watch or bad, the figure, and what to do. Cheap: it counts no table of observations.';

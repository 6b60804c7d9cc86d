-- Health asks the server too. What it asked until now keeps its checks under another name, but for the months ahead.

alter function analytics.check_system_health() rename to check_data_health;
comment on function analytics.check_data_health is 'The checks of analytics.check_system_health() about what is stored, and whether it is kept current.';

create function analytics.check_months_health()
returns table (check_name text, status text, figure text, advice text)
language sql stable set search_path = pg_catalog, pg_temp set timezone = 'UTC'
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

create function analytics.check_server_health(p_idle interval default '15 minutes', p_long interval default '1 hour')
returns table (check_name text, status text, figure text, advice text)
language plpgsql stable set search_path = pg_catalog, pg_temp set timezone = 'UTC'
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
language plpgsql stable set search_path = pg_catalog, pg_temp
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
        return query select * from analytics.check_data_health() d where d.check_name not like 'partitions ahead%';
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

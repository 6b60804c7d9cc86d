drop function analytics.check_system_health();
drop function analytics.in_words(interval), analytics.short_name(regclass);
create function analytics.check_system_health()
returns table (check_name text, status text, figure text, advice text)
language sql stable set search_path = pg_catalog, pg_temp
as $$
    with ahead as (
        select p.parent, count(c.oid) filter (
                   where (regexp_match(pg_get_expr(c.relpartbound, c.oid), 'TO \(''([^'']+)''\)'))[1]::timestamptz > now()) as months
          from analytics.partition_policy p
          left join pg_inherits i on i.inhparent = p.parent
          left join pg_class c on c.oid = i.inhrelid
         group by p.parent
    ), overdue as (
        select count(*) as n from analytics.model_prediction_results p
         where p.outcome is null
           and exists (select from analytics.time_series_metrics m
                        where m.series_id = p.series_id and m.observed_at = p.target_at and coalesce(m.quality_score, 1) > 0)
    ), connections as (
        select count(*) as used, current_setting('max_connections')::int as most from pg_stat_activity
    )
    select 'partitions ahead: ' || parent, case when months > 0 then 'ok' else 'watch' end, months || ' months',
           case when months > 0 then '' else 'none yet for the current month; the next write makes it' end
      from ahead
    union all
    select 'newest observation', case when max(observed_at) is null then 'watch' else 'ok' end, coalesce(max(observed_at)::text, 'none'),
           case when max(observed_at) is null then 'bring data in: mlops series ingest FILE' else '' end
      from analytics.time_series_metrics
    union all
    select 'outcomes to match', case when n = 0 then 'ok' else 'watch' end, n || ' predictions',
           case when n = 0 then '' else 'run mlops outcomes match' end
      from overdue
    union all
    select 'lineage', case when count(*) = 0 then 'ok' else 'bad' end, count(*) || ' live versions without complete lineage',
           case when count(*) = 0 then '' else 'see lineage_problem in analytics.model_versions' end
      from analytics.model_versions where lineage_state = 'incomplete' and deleted_at is null
    union all
    select 'recommendations', case when count(*) = 0 then 'ok' else 'watch' end, count(*) || ' open',
           case when count(*) = 0 then '' else 'read mlops review' end
      from analytics.retraining_recommendations where status = 'open' and action <> 'none'
    union all
    select 'connections', case when used < most * 0.8 then 'ok' else 'bad' end, used || ' of ' || most,
           case when used < most * 0.8 then '' else 'raise max_connections or use a pooler' end
      from connections
$$;
comment on function analytics.check_system_health is 'One row per check: ok, watch or bad, the figure, and what to do.';

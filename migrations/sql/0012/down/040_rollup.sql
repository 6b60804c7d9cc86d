-- Days are UTC days again.

create or replace function analytics.refresh_daily_summary() returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set plan_cache_mode = force_custom_plan  -- spans are few or many, and each month is another partition
set jit = off
set work_mem = '64MB'
set standard_conforming_strings = on
set quote_all_identifiers = off
as $$
declare
    chunk   record;
    written bigint;
    changed bigint := 0;
begin
    perform pg_advisory_xact_lock(hashtextextended('analytics.daily_metrics_summary', 0));
    -- A mark that commits after this delete began stays for the next refresh. What is read below is never older than the marks.
    for chunk in
        with taken as (
            delete from analytics.dirty_days returning series_id, first_day, last_day
        ), merged as (
            select series_id, range_agg(daterange(first_day, last_day, '[]')) as days from taken group by series_id
        ), months as materialized (  -- only those that still have their observations: the others keep the summary they have
            select distinct month::date as first_day, (month + interval '1 month')::date as end_day
              from pg_inherits i join pg_class c on c.oid = i.inhrelid
             cross join lateral regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \(''([^'']+)''\) TO \(''([^'']+)''\)') b
             cross join lateral generate_series(date_trunc('month', b[1]::timestamp), b[2]::timestamp - interval '1 day', interval '1 month') month
             where i.inhparent = 'analytics.time_series_metrics'::regclass
        ), spans as (
            select m.first_day as month, d.series_id, lower(s.span) as first_day, upper(s.span) as end_day,
                   (row_number() over (partition by m.first_day order by d.series_id) - 1) / 5000 as block
              from months m
              join merged d on d.days && daterange(m.first_day, m.end_day)
             cross join lateral unnest(d.days * datemultirange(daterange(m.first_day, m.end_day))) s (span)
        )
        select month, min(first_day) as first_day, max(end_day) as end_day,
               array_agg(series_id) as series_ids, array_agg(first_day) as first_days, array_agg(end_day) as end_days
          from spans group by month, block order by month, block
    loop
        perform analytics.create_monthly_partition(chunk.month, 'analytics.daily_metrics_summary');
        with spans as (
            select * from unnest(chunk.series_ids, chunk.first_days, chunk.end_days) s (series_id, first_day, end_day)
        ), days as materialized (
            select m.series_id, (m.observed_at at time zone 'UTC')::date as day, count(*)::int as observations,
                   sum(analytics.tame(m.value) order by m.observed_at desc) as value_sum,  -- in one order: the same numbers, the same sum
                   min(m.value) as value_min, max(m.value) as value_max,
                   (array_agg(m.value order by m.observed_at desc))[1] as value_last,
                   avg(m.quality_score)::real as quality, (count(*) filter (where m.is_anomaly))::int as anomalies
              from spans s
              join analytics.time_series_metrics m
                on m.series_id = s.series_id
               and m.observed_at >= s.first_day::timestamptz and m.observed_at < s.end_day::timestamptz
             where m.observed_at >= chunk.first_day::timestamptz and m.observed_at < chunk.end_day::timestamptz  -- prunes, and says how few
             group by 1, 2
        ), tamed as (
            select series_id, day, observations, analytics.tame(value_sum) as value_sum, analytics.tame(value_sum / observations) as value_mean,
                   analytics.tame(value_min) as value_min, analytics.tame(value_max) as value_max, analytics.tame(value_last) as value_last,
                   quality, anomalies
              from days
        ), stored as (
            insert into analytics.daily_metrics_summary as d
                   (series_id, day, observations, value, value_sum, value_mean, value_min, value_max, value_last, quality, anomalies)
            select series_id, n.day, n.observations,
                   case t.aggregate when 'sum' then n.value_sum when 'mean' then n.value_mean when 'max' then n.value_max else n.value_last end,
                   n.value_sum, n.value_mean, n.value_min, n.value_max, n.value_last, n.quality, n.anomalies
              from tamed n
              join analytics.series s using (series_id)
              join analytics.metric_types t on t.name = s.metric_type
             order by series_id, n.day
                on conflict (series_id, day) do update
               set (observations, value, value_sum, value_mean, value_min, value_max, value_last, quality, anomalies, refreshed_at)
                 = (excluded.observations, excluded.value, excluded.value_sum, excluded.value_mean, excluded.value_min,
                    excluded.value_max, excluded.value_last, excluded.quality, excluded.anomalies, excluded.refreshed_at)
             where (d.observations, d.value, d.value_sum, d.value_mean, d.value_min, d.value_max, d.value_last, d.quality, d.anomalies)
                   is distinct from
                   (excluded.observations, excluded.value, excluded.value_sum, excluded.value_mean, excluded.value_min,
                    excluded.value_max, excluded.value_last, excluded.quality, excluded.anomalies)
            returning series_id
        ), gone as (
            delete from analytics.daily_metrics_summary d
             using spans s
             where d.series_id = s.series_id and d.day >= s.first_day and d.day < s.end_day
               and d.day >= chunk.first_day and d.day < chunk.end_day
               and not exists (select from days n where n.series_id = d.series_id and n.day = d.day)
            returning d.series_id
        ), both_kinds as (
            select series_id from stored union all select series_id from gone
        ), noted as (
            insert into analytics.dirty_months (series_id, month)
            select distinct series_id, chunk.month from both_kinds
                on conflict do nothing
        )
        select count(*) into written from both_kinds;
        changed := changed + written;
    end loop;
    if changed > 0 then
        insert into analytics.dirty_sources (source) values ('daily_metrics_summary');
    end if;
    if changed > 100000 then
        analyze analytics.daily_metrics_summary;
    end if;
    return changed;
end $$;
comment on table analytics.daily_metrics_summary is 'One row per series and UTC day, kept current by analytics.refresh_daily_summary(). It outlives its observations: a month whose partition was dropped keeps its rows.';

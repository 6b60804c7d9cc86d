-- What reports read: one row per series and day, kept current from what has changed, not rebuilt.

create table analytics.daily_metrics_summary (
    series_id    bigint           not null,
    day          date             not null,
    observations int              not null check (observations > 0),
    value        double precision not null,
    value_sum    double precision not null,
    value_mean   double precision not null,
    value_min    double precision not null,
    value_max    double precision not null,
    value_last   double precision not null,
    quality      real,
    anomalies    int              not null,
    refreshed_at timestamptz      not null default clock_timestamp(),
    tenant_id    int              not null default 1,
    primary key (series_id, day)
) partition by range (day);
comment on table analytics.daily_metrics_summary is 'One row per series and local day (by the clock of its time_zone), kept current by analytics.refresh_daily_summary(). It outlives its observations: a month that was archived, or deleted by retention, keeps its rows, so sums over any time are complete here and in everything that is made from it. A route''s customers and the route itself each have rows, which measure the same: choose a level before you add up, see analytics.series_parts.';
comment on column analytics.daily_metrics_summary.series_id    is 'Of analytics.series.';
comment on column analytics.daily_metrics_summary.day          is 'The local date, by the clock of the series.';
comment on column analytics.daily_metrics_summary.observations is 'How many observations the day has.';
comment on column analytics.daily_metrics_summary.value        is 'The day by the aggregate of its metric type: the sum, mean, maximum or last value.';
comment on column analytics.daily_metrics_summary.value_sum    is 'Values are within ±1e100 here and 0 or not nearer to it than 1e-100; see analytics.tame().';
comment on column analytics.daily_metrics_summary.value_mean   is 'The mean of the day''s values.';
comment on column analytics.daily_metrics_summary.value_min    is 'The smallest value of the day.';
comment on column analytics.daily_metrics_summary.value_max    is 'The largest value of the day.';
comment on column analytics.daily_metrics_summary.value_last   is 'The value with the latest time of the day.';
comment on column analytics.daily_metrics_summary.quality      is 'Mean quality score of the observations that have one, from 0 to 1.';
comment on column analytics.daily_metrics_summary.anomalies    is 'How many observations are marked as anomalies.';
comment on column analytics.daily_metrics_summary.refreshed_at is 'When the row was last made (instant).';
comment on column analytics.daily_metrics_summary.tenant_id    is 'The tenant of the series: a copy, so that a policy needs no join; 1 where there is one only.';

-- kept for ever, and made by the refresh: none ahead
insert into analytics.partition_policy (parent, premake_months, keep_months, archive) values
    ('analytics.daily_metrics_summary', 0, null, false);

create table analytics.dirty_months (
    series_id bigint not null,
    month     date   not null,
    primary key (month, series_id)
);
comment on table analytics.dirty_months is 'Months of series whose days have changed since the monthly aggregates were brought up to date. Written by the refresh of the days only, so nobody waits for it.';
comment on column analytics.dirty_months.series_id is 'The series whose month changed, of analytics.series.';
comment on column analytics.dirty_months.month     is 'A local month that changed, by its first day.';

create table analytics.dirty_sources (
    source    text        not null,
    marked_at timestamptz not null default clock_timestamp()
);
comment on table analytics.dirty_sources is 'One row per statement that changed a table on which a view rests. Writers only add rows, so they never wait for each other; the next refresh takes the rows away.';
comment on column analytics.dirty_sources.source    is 'The name of the table, without its schema.';
comment on column analytics.dirty_sources.marked_at is 'When the table changed.';

create function analytics.tame(p_value double precision) returns double precision
language sql immutable
as $$
    select case when abs(p_value) < 1e-100 then 0 when p_value > 1e100 then 1e100 when p_value < -1e100 then -1e100 else p_value end
$$;
comment on function analytics.tame is 'The value, or ±1e100 beyond it, or 0 nearer than 1e-100: one absurd observation must not stop the sums and ratios of all others by an overflow.';

create function analytics.mark_dirty(p_series_ids bigint[], p_from date, p_to date) returns bigint
language sql security definer set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on set quote_all_identifiers = off
as $$
    with marked as (
        insert into analytics.dirty_days (series_id, first_day, last_day)
        select series_id, p_from, p_to from analytics.series where series_id = any(p_series_ids)
        returning 1)
    select count(*) from marked
$$;
comment on function analytics.mark_dirty is 'For whoever changed observations by hand: their days, both included, are summarised anew at the next refresh. How many series were marked; unknown ids are ignored.';
revoke execute on function analytics.mark_dirty from public;

create function analytics.refresh_daily_summary() returns bigint
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
            select t.series_id, range_agg(daterange(t.first_day, t.last_day, '[]')) as days,
                   coalesce(max(case when g.dated then 'UTC' else s.time_zone end), 'UTC') as clock
              from taken t left join analytics.series s using (series_id) left join analytics.granularities g on g.name = s.granularity
             group by t.series_id
        ), stored as materialized (  -- only those that still have their observations: the others keep the summary they have
            select distinct month::date as first_day, (month + interval '1 month')::date as end_day
              from pg_inherits i join pg_class c on c.oid = i.inhrelid
             cross join lateral regexp_match(pg_get_expr(c.relpartbound, c.oid), 'FROM \(''([^'']+)''\) TO \(''([^'']+)''\)') b
             cross join lateral generate_series(date_trunc('month', b[1]::timestamp), b[2]::timestamp - interval '1 day', interval '1 month') month
             where i.inhparent = 'analytics.time_series_metrics'::regclass
        ), covered as (  -- a local day may begin before the first of these months, or end after the last one
            select range_agg(daterange(first_day, end_day)) as utc_days, range_agg(daterange(first_day - 1, end_day + 1)) as local_days from stored
        ), months as (
            select distinct date_trunc('month', day::timestamp)::date as first_day, (date_trunc('month', day::timestamp) + interval '1 month')::date as end_day
              from stored cross join lateral unnest(array[first_day - 1, first_day, end_day]) day
        ), spans as (
            select m.first_day as month, d.series_id, lower(s.span) as first_day, upper(s.span) as end_day, d.clock,
                   (row_number() over (partition by m.first_day order by d.series_id) - 1) / 5000 as block
              from covered c
             cross join months m
              join merged d on d.days && daterange(m.first_day, m.end_day)
             cross join lateral unnest(d.days * datemultirange(daterange(m.first_day, m.end_day))
                                       * case when d.clock = 'UTC' then c.utc_days else c.local_days end) s (span)
        )
        select month, min(first_day) as first_day, max(end_day) as end_day, (select utc_days from covered) as covered,
               make_interval(days => max((clock <> 'UTC')::int)) as around,
               array_agg(series_id) as series_ids, array_agg(first_day) as first_days, array_agg(end_day) as end_days, array_agg(clock) as clocks
          from spans group by month, block order by month, block
    loop
        perform analytics.create_monthly_partition(chunk.month, 'analytics.daily_metrics_summary');
        with spans as (
            select *, clock <> 'UTC' as local, make_interval(hours => 3 * (clock <> 'UTC')::int) as repeated  -- a clock may repeat the hour after midnight
              from unnest(chunk.series_ids, chunk.first_days, chunk.end_days, chunk.clocks) s (series_id, first_day, end_day, clock)
        ), days as materialized (
            select m.series_id, d.day, bool_or(s.local) as local, count(*)::int as observations,
                   sum(analytics.tame(m.value) order by m.observed_at desc) as value_sum,  -- in one order: the same numbers, the same sum
                   min(m.value) as value_min, max(m.value) as value_max,
                   (array_agg(m.value order by m.observed_at desc))[1] as value_last,
                   avg(m.quality_score)::real as quality, (count(*) filter (where m.is_anomaly))::int as anomalies
              from spans s
              join analytics.time_series_metrics m
                on m.series_id = s.series_id
               and m.observed_at >= s.first_day::timestamp at time zone s.clock - s.repeated
               and m.observed_at < s.end_day::timestamp at time zone s.clock + s.repeated
             cross join lateral (select case when s.local then (m.observed_at at time zone s.clock)::date else m.observed_at::date end as day) d
             where m.observed_at >= chunk.first_day::timestamptz - chunk.around  -- prunes, and says how few
               and m.observed_at < chunk.end_day::timestamptz + chunk.around
               and (not s.local or d.day >= s.first_day and d.day < s.end_day)
             group by 1, 2
        ), tamed as (
            select series_id, day, observations, analytics.tame(value_sum) as value_sum, analytics.tame(value_sum / observations) as value_mean,
                   analytics.tame(value_min) as value_min, analytics.tame(value_max) as value_max, analytics.tame(value_last) as value_last,
                   quality, anomalies
              from days n
             where not n.local or chunk.covered @> daterange(n.day - 1, n.day + 2)
                or not exists (  -- a day of which a part was dropped keeps the summary that it has
                   select from analytics.daily_metrics_summary k join analytics.daily_metrics_summary gone using (series_id)
                    where k.series_id = n.series_id and k.day = n.day and k.observations > n.observations
                      and gone.day between n.day - 1 and n.day + 1 and not chunk.covered @> gone.day and gone.refreshed_at < now())
        ), stored as (
            insert into analytics.daily_metrics_summary as d
                   (series_id, tenant_id, day, observations, value, value_sum, value_mean, value_min, value_max, value_last, quality, anomalies)
            select series_id, s.tenant_id, n.day, n.observations,
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
               and (s.clock = 'UTC' or chunk.covered @> daterange(d.day - 1, d.day + 2))
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
comment on function analytics.refresh_daily_summary is 'Summarises the marked days anew, month by month; how many rows were written or removed. Safe to call from many sessions at once.';
revoke execute on function analytics.refresh_daily_summary from public;

create function analytics.mark_source() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on set quote_all_identifiers = off
as $$
begin
    insert into analytics.dirty_sources (source) values (tg_table_name);
    return null;
end $$;
comment on function analytics.mark_source is 'Notes that a statement changed a table on which a view rests.';
revoke execute on function analytics.mark_source from public;

-- Another aggregate means another value of every day there is, also of days whose observations are gone.
create function analytics.change_aggregate() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on set quote_all_identifiers = off
as $$
begin
    perform pg_advisory_xact_lock(hashtextextended('analytics.daily_metrics_summary', 0));
    update analytics.daily_metrics_summary d
       set value = case new.aggregate when 'sum' then d.value_sum when 'mean' then d.value_mean when 'max' then d.value_max else d.value_last end,
           refreshed_at = clock_timestamp()
      from analytics.series s
     where s.metric_type = new.name and d.series_id = s.series_id;
    insert into analytics.dirty_months (series_id, month)
    select distinct d.series_id, date_trunc('month', d.day::timestamp)::date
      from analytics.daily_metrics_summary d join analytics.series s using (series_id)
     where s.metric_type = new.name
        on conflict do nothing;
    insert into analytics.dirty_sources (source) values ('daily_metrics_summary');
    return null;
end $$;
comment on function analytics.change_aggregate is 'Gives every day of a metric type whose aggregate changes its other value, and marks the months above them; no observation is read.';
revoke execute on function analytics.change_aggregate from public;
create trigger change_aggregate after update of aggregate on analytics.metric_types
    for each row when (old.aggregate is distinct from new.aggregate) execute function analytics.change_aggregate();

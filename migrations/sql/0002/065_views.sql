-- What people look at: five materialised views on top of the aggregates, when each is to be made anew, and two functions for psql.

-- Customers and routes ---------------------------------------------------------------------------------------------------------------

create materialized view analytics.customer_behavior_summary as
with newest as (  -- data decide what is new, not the clock: so the view is right for a history too
    select tenant_id, max(month) as month from analytics.customer_behavior_aggregates group by tenant_id
)
select a.tenant_id, a.customer_id, c.name, c.segment, a.metric_type, t.unit,
       min(a.month) as first_month, max(a.month) as last_month, max(a.last_day) as last_day, count(*)::int as months,
       sum(a.days)::int as days, sum(a.observations)::bigint as observations,
       (array_agg(a.value order by a.month desc))[1] as last_value,
       case t.aggregate when 'sum' then sum(a.value) filter (where a.month > n.month - interval '12 months') end as year_total,
       sum(a.day_mean * a.days) filter (where a.month > n.month - interval '12 months')
           / sum(a.days) filter (where a.month > n.month - interval '12 months') as year_day_mean,
       min(a.day_min) filter (where a.month > n.month - interval '12 months') as year_day_min,
       max(a.day_max) filter (where a.month > n.month - interval '12 months') as year_day_max,
       sum(a.day_mean * a.days) filter (where a.month > n.month - interval '3 months')
           / sum(a.days) filter (where a.month > n.month - interval '3 months')
           / nullif(sum(a.day_mean * a.days) filter (where a.month > n.month - interval '6 months' and a.month <= n.month - interval '3 months')
               / sum(a.days) filter (where a.month > n.month - interval '6 months' and a.month <= n.month - interval '3 months'), 0) - 1 as quarter_change,
       sum(a.day_mean * a.days) filter (where a.month > n.month - interval '3 months')
           / sum(a.days) filter (where a.month > n.month - interval '3 months')
           / nullif(sum(a.day_mean * a.days) filter (where a.month > n.month - interval '15 months' and a.month <= n.month - interval '12 months')
               / sum(a.days) filter (where a.month > n.month - interval '15 months' and a.month <= n.month - interval '12 months'), 0) - 1 as year_change,
       (sum(a.quality::float8 * a.observations) / sum(a.observations) filter (where a.quality is not null))::real as quality,
       sum(a.anomalies)::bigint as anomalies
  from analytics.customer_behavior_aggregates a
  join newest n using (tenant_id)
  join analytics.metric_types t on t.name = a.metric_type
  left join analytics.customers c using (tenant_id, customer_id)
 group by a.tenant_id, a.customer_id, c.name, c.segment, a.metric_type, t.unit, t.aggregate;
create unique index customer_behavior_summary_key on analytics.customer_behavior_summary (tenant_id, customer_id, metric_type);
comment on materialized view analytics.customer_behavior_summary is 'One row per customer and metric type: how much, since when, and where it is going. The year is the twelve months up to the newest month of the tenant, a quarter the three.';
comment on column analytics.customer_behavior_summary.last_value     is 'The newest month of the customer, by the aggregate of the metric type; that month may not be over.';
comment on column analytics.customer_behavior_summary.year_total     is 'Sum of the year; empty when a sum of the metric type means nothing.';
comment on column analytics.customer_behavior_summary.year_day_mean  is 'Mean over the days of the year that have observations.';
comment on column analytics.customer_behavior_summary.quarter_change is 'Daily mean of the newest quarter against the quarter before: 0.1 is 10 % more.';
comment on column analytics.customer_behavior_summary.year_change    is 'Daily mean of the newest quarter against the same three months a year ago: 0.1 is 10 % more.';
comment on column analytics.customer_behavior_summary.quality        is 'Mean quality score, from 0 to 1, over the months that have one.';

create materialized view analytics.route_performance_summary as
with newest as (
    select tenant_id, max(month) as month from analytics.operational_metrics_aggregates where dimension = 'route' group by tenant_id
), figures as (
    select a.tenant_id, a.entity_id as route_id, min(a.month) as first_month, max(a.month) as last_month, max(a.last_day) as last_day,
           sum(a.value) filter (where a.metric_type = 'collection_weight')  as weight_kg,
           sum(a.value) filter (where a.metric_type = 'waste_volume')       as volume_m3,
           sum(a.value) filter (where a.metric_type = 'collection_count')   as collections,
           sum(a.value) filter (where a.metric_type = 'missed_collections') as missed,
           sum(a.value) filter (where a.metric_type = 'route_distance')     as distance_km,
           sum(a.value) filter (where a.metric_type = 'route_duration')     as duration_minutes,
           sum(a.value) filter (where a.metric_type = 'fuel_consumption')   as fuel_litres,
           sum(a.value * a.observations) filter (where a.metric_type = 'service_delay')
               / sum(a.observations) filter (where a.metric_type = 'service_delay')      as delay_minutes,
           sum(a.value * a.observations) filter (where a.metric_type = 'route_efficiency')
               / sum(a.observations) filter (where a.metric_type = 'route_efficiency')   as efficiency_percent,
           sum(a.value * a.observations) filter (where a.metric_type = 'contamination_rate')
               / sum(a.observations) filter (where a.metric_type = 'contamination_rate') as contamination_percent,
           sum(a.anomalies)::bigint as anomalies
      from analytics.operational_metrics_aggregates a join newest n using (tenant_id)
     where a.dimension = 'route' and a.month > n.month - interval '12 months'
     group by a.tenant_id, a.entity_id
)
select f.tenant_id, f.route_id, r.name, r.depot, f.first_month, f.last_month, f.last_day,
       f.weight_kg, f.volume_m3, f.collections, f.missed, f.distance_km, f.duration_minutes, f.fuel_litres,
       f.delay_minutes, f.efficiency_percent, f.contamination_percent,
       f.weight_kg / nullif(f.distance_km, 0)                     as kg_per_km,
       f.weight_kg / nullif(f.duration_minutes / 60, 0)           as kg_per_hour,
       f.fuel_litres / nullif(f.distance_km / 100, 0)             as litres_per_100_km,
       f.missed / nullif(f.collections + f.missed, 0)             as missed_share,
       f.anomalies
  from figures f left join analytics.routes r using (tenant_id, route_id);
create unique index route_performance_summary_key on analytics.route_performance_summary (tenant_id, route_id);
comment on materialized view analytics.route_performance_summary is 'One row per route: totals and rates of the twelve months up to the newest month of the tenant. What a route does not measure is empty.';
comment on column analytics.route_performance_summary.weight_kg    is 'Sum of collection_weight; the other totals likewise.';
comment on column analytics.route_performance_summary.missed_share is 'missed / (collections + missed).';

-- Seasons ----------------------------------------------------------------------------------------------------------------------------

create materialized view analytics.seasonal_patterns as
with days as (
    select d.series_id, date_part('isodow', d.day)::smallint as weekday, date_part('month', d.day)::smallint as month,
           count(*) as days, sum(d.value) as total, sum(d.value * d.value) as squares, min(d.day) as first_day, max(d.day) as last_day
      from analytics.daily_metrics_summary d
     group by 1, 2, 3
), whole as (
    select series_id, sum(total) / sum(days) as mean from days group by series_id
), places as (
    select series_id, case when grouping(weekday) = 0 then 'weekday' else 'month' end as season, coalesce(weekday, month) as position,
           sum(days)::int as days, sum(total) / sum(days) as mean,
           sqrt(greatest(sum(squares) / sum(days) - (sum(total) / sum(days)) ^ 2, 0)) as deviation,
           min(first_day) as first_day, max(last_day) as last_day
      from days group by grouping sets ((series_id, weekday), (series_id, month))
)
select p.series_id, s.tenant_id, s.metric_type, p.season, p.position, p.days, p.mean, p.deviation,
       p.mean / nullif(w.mean, 0) as index, p.mean - w.mean as difference, p.first_day, p.last_day
  from places p join whole w using (series_id) join analytics.series s using (series_id)
 where p.season = 'month' or s.granularity in ('hourly', 'daily');
create unique index seasonal_patterns_key on analytics.seasonal_patterns (series_id, season, position);
create index seasonal_patterns_metric on analytics.seasonal_patterns (tenant_id, metric_type, season);
comment on materialized view analytics.seasonal_patterns is 'One row per series and weekday (1 is Monday; series of hours or days only), and per series and month of the year: its mean day against the mean day of the series.';
comment on column analytics.seasonal_patterns.index      is 'mean / mean of the series: 1.2 is 20 % above. Means little where the mean of the series is near 0; see difference.';
comment on column analytics.seasonal_patterns.deviation  is 'Standard deviation of the days at this position.';
comment on column analytics.seasonal_patterns.difference is 'mean − mean of the series, in the unit of the metric type.';

-- Models -----------------------------------------------------------------------------------------------------------------------------

create materialized view analytics.model_accuracy_summary as
with newest as (  -- by the index, version by version
    select max(l.target_at) as target_at
      from analytics.model_versions v
     cross join lateral (select p.target_at from analytics.model_prediction_results p
                          where p.version_id = v.version_id and p.outcome is not null order by p.target_at desc limit 1) l
), judged as (
    select p.version_id, date_trunc('week', p.target_at at time zone 'UTC')::date as week,
           case when p.horizon <= 7 then 7 when p.horizon <= 14 then 14 when p.horizon <= 28 then 28 else 1000 end as horizon_to,
           p.outcome, p.error, p.lo_80, p.hi_80, p.lo_95, p.hi_95, n.value as naive
      from analytics.model_prediction_results p
      join analytics.series s using (series_id)
      left join analytics.daily_metrics_summary n
        on n.series_id = p.series_id and s.granularity = 'daily'
       and n.day = (p.target_at at time zone 'UTC')::date - (p.horizon + 6) / 7 * 7
     where p.outcome is not null
       and p.target_at >= (select date_trunc('week', target_at at time zone 'UTC') - interval '52 weeks' from newest) at time zone 'UTC'
)
select j.version_id, v.name, v.version, v.kind, j.week,
       case j.horizon_to when 7 then '1-7' when 14 then '8-14' when 28 then '15-28' else '29+' end as horizon,
       count(*)::int as forecasts,
       sum(abs(j.error)) / nullif(analytics.tame(sum(abs(j.outcome))), 0) as wape,
       sum(j.error) / nullif(analytics.tame(sum(abs(j.outcome))), 0) as bias,
       avg((j.outcome between j.lo_80 and j.hi_80)::int)::float8 as coverage_80,
       avg((j.outcome between j.lo_95 and j.hi_95)::int)::float8 as coverage_95,
       count(j.naive)::int as forecasts_naive,
       sum(abs(j.error)) filter (where j.naive is not null) / nullif(analytics.tame(sum(abs(j.naive - j.outcome))), 0) as error_to_naive
  from judged j join analytics.model_versions v using (version_id)
 group by j.version_id, v.name, v.version, v.kind, j.week, j.horizon_to;
create unique index model_accuracy_summary_key on analytics.model_accuracy_summary (version_id, week, horizon);
create index model_accuracy_summary_week on analytics.model_accuracy_summary (name, week);
comment on materialized view analytics.model_accuracy_summary is 'One row per model version, week of the target (its Monday) and steps ahead: how good the forecasts were that have an outcome. The newest 53 weeks.';
comment on column analytics.model_accuracy_summary.horizon        is 'Steps ahead: 1-7, 8-14, 15-28 or 29+.';
comment on column analytics.model_accuracy_summary.wape           is 'Sum of |error| / sum of |outcome|.';
comment on column analytics.model_accuracy_summary.bias           is 'Sum of (forecast − outcome) / sum of |outcome|: above 0 is too high.';
comment on column analytics.model_accuracy_summary.coverage_80    is 'Share of outcomes inside the 80 % interval.';
comment on column analytics.model_accuracy_summary.error_to_naive is 'Sum of |error| against that of the seasonal naive (same weekday, newest week that was known), over the forecasts_naive that have one; below 1 is better. Daily series only.';

create materialized view analytics.feature_usage_summary as
with champions as (
    select distinct version_id from analytics.model_aliases where alias = 'champion' and valid_to is null
)
select f.feature_id, f.name, f.version, f.entity, f.granularity, f.transformation, f.owner, f.source_metric_types,
       f.version = max(f.version) over (partition by f.name) as newest,
       u.versions, u.live_versions, u.champions, u.models, u.champion_models, u.importance, u.importance_largest, u.last_trained_at
  from analytics.model_feature_store f
  left join lateral (
       select count(*)::int as versions,
              (count(*) filter (where v.deleted_at is null))::int as live_versions,
              (count(*) filter (where v.deleted_at is null and c.version_id is not null))::int as champions,
              coalesce(array_agg(distinct v.name order by v.name) filter (where v.deleted_at is null), '{}') as models,
              coalesce(array_agg(distinct v.name order by v.name) filter (where v.deleted_at is null and c.version_id is not null), '{}') as champion_models,
              avg(e.importance) filter (where v.deleted_at is null) as importance,
              max(e.importance) filter (where v.deleted_at is null) as importance_largest,
              max(v.created_at) as last_trained_at
         from analytics.model_version_features e
         join analytics.model_versions v using (version_id)
         left join champions c using (version_id)
        where e.feature_id = f.feature_id) u on true;
create unique index feature_usage_summary_key on analytics.feature_usage_summary (feature_id);
comment on materialized view analytics.feature_usage_summary is 'One row per feature and version: which model versions use it and how much it matters to them.';
comment on column analytics.feature_usage_summary.newest        is 'Whether this is the newest version of the feature.';
comment on column analytics.feature_usage_summary.versions      is 'Model versions that use it, deleted ones too; live_versions are those that the registry still has.';
comment on column analytics.feature_usage_summary.champions     is 'Live model versions that use it and are champion now.';
comment on column analytics.feature_usage_summary.importance    is 'Mean share of the total gain, from 0 to 1, over the live versions that state one.';

-- When each is made anew -------------------------------------------------------------------------------------------------------------

create table analytics.view_freshness (
    view_name    text   primary key,
    position     int    not null unique,
    sources      text[] not null,
    refreshed_at timestamptz,
    seconds      double precision,
    rows         bigint,
    stale_since  timestamptz,
    error        text,
    failed_at    timestamptz
);
comment on table  analytics.view_freshness is 'What analytics.refresh_predictive_views() keeps fresh, and how fresh it is. monthly_aggregates are customer_behavior_aggregates and operational_metrics_aggregates. A materialized view of your own in the schema analytics is one more row.';
comment on column analytics.view_freshness.position     is 'The order: a view stands after its sources.';
comment on column analytics.view_freshness.sources      is 'The tables whose changes make it stale.';
comment on column analytics.view_freshness.refreshed_at is 'When it was last found or made to be up to date.';
comment on column analytics.view_freshness.seconds      is 'How long the last refresh that had something to do took.';
comment on column analytics.view_freshness.rows         is 'Rows of the view; of a table, the rows that were written.';
comment on column analytics.view_freshness.stale_since  is 'When a source first changed after that; see also analytics.dirty_sources.';
comment on column analytics.view_freshness.error        is 'Why the last refresh failed; empty when it did not.';
insert into analytics.view_freshness (view_name, position, sources) values
    ('daily_metrics_summary',     10, '{dirty_days}'),
    ('monthly_aggregates',        20, '{dirty_months}'),
    ('customer_behavior_summary', 30, '{customer_behavior_aggregates,customers,metric_types}'),
    ('route_performance_summary', 40, '{operational_metrics_aggregates,routes}'),
    ('seasonal_patterns',         50, '{daily_metrics_summary}'),
    ('model_accuracy_summary',    60, '{model_prediction_results,model_versions,daily_metrics_summary}'),
    ('feature_usage_summary',     70, '{model_feature_store,model_version_features,model_versions,model_aliases}');

create function analytics.mark_source() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
    insert into analytics.dirty_sources (source) values (tg_table_name);
    return null;
end $$;
comment on function analytics.mark_source is 'Notes that a statement changed a table on which a view rests.';
create trigger mark_source after insert or update or delete on analytics.customers                for each statement execute function analytics.mark_source();
create trigger mark_source after insert or update or delete on analytics.routes                   for each statement execute function analytics.mark_source();
create trigger mark_source after insert or update or delete on analytics.metric_types             for each statement execute function analytics.mark_source();
create trigger mark_source after insert or update or delete on analytics.model_prediction_results for each statement execute function analytics.mark_source();
create trigger mark_source after insert or update or delete on analytics.model_versions           for each statement execute function analytics.mark_source();
create trigger mark_source after insert or update or delete on analytics.model_aliases            for each statement execute function analytics.mark_source();
create trigger mark_source after insert or update or delete on analytics.model_feature_store      for each statement execute function analytics.mark_source();
create trigger mark_source after insert or update or delete on analytics.model_version_features   for each statement execute function analytics.mark_source();

-- what is there already
insert into analytics.dirty_sources (source)
select unnest('{model_prediction_results,model_feature_store}'::text[]);

create function analytics.refresh_predictive_views(p_force boolean default false)
returns table (view_name text, refreshed boolean, seconds double precision, rows bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp set timezone = 'UTC'
as $$
#variable_conflict use_column
declare
    step    record;
    started timestamptz;
    problem text;
begin
    perform pg_advisory_xact_lock(hashtextextended('analytics.refresh_predictive_views', 0));
    for step in select * from analytics.view_freshness order by position loop
        -- steps before this one may have changed what it rests on
        with taken as (
            delete from analytics.dirty_sources returning source, marked_at
        ), since as (
            select f.view_name, min(t.marked_at) as marked_at
              from analytics.view_freshness f join taken t on t.source = any(f.sources) group by f.view_name
        )
        update analytics.view_freshness f set stale_since = least(f.stale_since, s.marked_at)
          from since s where s.view_name = f.view_name;

        started   := clock_timestamp();
        problem   := null;
        view_name := step.view_name;
        rows      := null;
        begin
            if step.view_name in ('daily_metrics_summary', 'monthly_aggregates') then
                rows := case step.view_name when 'daily_metrics_summary' then analytics.refresh_daily_summary()
                                            else analytics.refresh_monthly_aggregates() end;
                refreshed := rows > 0;
            else
                refreshed := p_force or step.refreshed_at is null
                             or exists (select from analytics.view_freshness f where f.view_name = step.view_name and f.stale_since is not null);
                if refreshed then
                    execute format('refresh materialized view %s analytics.%I',
                                   case when analytics.refreshes_concurrently(step.view_name) then 'concurrently' else '' end, step.view_name);
                    execute format('select count(*) from analytics.%I', step.view_name) into rows;
                end if;
            end if;
        exception when others then
            refreshed := false;
            problem   := sqlerrm;
            raise warning '% could not be refreshed: %', step.view_name, sqlerrm;
        end;
        seconds := date_part('epoch', clock_timestamp() - started);
        if problem is not null then
            update analytics.view_freshness f set error = problem, failed_at = clock_timestamp(), stale_since = coalesce(f.stale_since, started)
             where f.view_name = step.view_name;
        elsif refreshed then
            update analytics.view_freshness f
               set refreshed_at = started, seconds = refresh_predictive_views.seconds, rows = refresh_predictive_views.rows,
                   stale_since = null, error = null, failed_at = null
             where f.view_name = step.view_name;
        else
            update analytics.view_freshness f set refreshed_at = started, stale_since = null, error = null, failed_at = null
             where f.view_name = step.view_name;
        end if;
        return next;
    end loop;
end $$;
comment on function analytics.refresh_predictive_views is 'Brings the daily summary, the monthly aggregates and the views up to date, in this order, each only when what it rests on has changed; all with p_force. A view that fails says why in analytics.view_freshness and stops no other. Readers are never blocked.';

create function analytics.refreshes_concurrently(p_view text) returns boolean
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select coalesce(bool_or(c.relispopulated), false)
      from pg_class c join pg_index i on i.indrelid = c.oid
     where c.oid = to_regclass(format('analytics.%I', p_view)) and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null
$$;
comment on function analytics.refreshes_concurrently is 'Whether a materialized view has been filled and has a unique index over whole columns, which is what a refresh beside readers needs.';

-- Two reads for psql; both are inlined into the statement that calls them, so that it prunes and uses indexes -------------------------

create function analytics.latest_values(p_series_ids bigint[])
returns table (series_id bigint, observed_at timestamptz, value double precision, quality_score real, is_anomaly boolean, recorded_at timestamptz)
language sql stable
as $$
    select w.series_id, m.observed_at, m.value, m.quality_score, m.is_anomaly, m.recorded_at
      from unnest(p_series_ids) w (series_id)
     cross join lateral (
           select o.observed_at, o.value, o.quality_score, o.is_anomaly, o.recorded_at from analytics.time_series_metrics o
            where o.series_id = w.series_id order by o.observed_at desc limit 1) m
$$;
comment on function analytics.latest_values is 'The newest observation of each series that has one.';

create function analytics.aggregate_values(
    p_by          text,
    p_grain       text,
    p_metric_type text,
    p_from        date,
    p_to          date,
    p_ids         text[]  default null,
    p_area        polygon default null,
    p_tenant_id   int     default null
) returns table (tenant_id int, entity_id text, period date, value double precision, series bigint, observations bigint, days bigint,
                 smallest double precision, largest double precision, quality double precision, anomalies bigint)
language sql stable
as $$
    with chosen as (
        select s.series_id, s.tenant_id, t.aggregate,
               case p_by when 'customer' then s.customer_id when 'route' then s.route_id when 'vehicle' then s.vehicle_id
                         when 'driver' then s.driver_id when 'site' then s.site_id when 'area' then 'area' end as entity_id
          from analytics.series s join analytics.metric_types t on t.name = s.metric_type
         where s.metric_type = p_metric_type
           and (p_tenant_id is null or s.tenant_id = p_tenant_id)
           and (p_ids is null
                or (p_by = 'customer' and s.customer_id = any(p_ids)) or (p_by = 'route' and s.route_id = any(p_ids))
                or (p_by = 'vehicle' and s.vehicle_id = any(p_ids)) or (p_by = 'driver' and s.driver_id = any(p_ids))
                or (p_by = 'site' and s.site_id = any(p_ids)))
           and (p_area is null or s.series_id in (
                select a.series_id from analytics.series a where a.service_area && p_area
                union all
                select a.series_id from analytics.routes r join analytics.series a on a.tenant_id = r.tenant_id and a.route_id = r.route_id
                 where r.service_area && p_area and a.service_area is null))
    ), by_series as (
        select c.tenant_id, c.entity_id, c.aggregate, d.series_id, date_trunc(p_grain, d.day::timestamp)::date as period,
               sum(d.observations) as observations, sum(d.value_sum) as value_sum, min(d.value_min) as value_min, max(d.value_max) as value_max,
               (array_agg(d.value_last order by d.day desc) filter (where c.aggregate = 'last'))[1] as value_last, count(*) as days,
               sum(d.quality::float8 * d.observations) as quality_sum,
               sum(d.observations) filter (where d.quality is not null) as scored, sum(d.anomalies) as anomalies
          from chosen c join analytics.daily_metrics_summary d using (series_id)
         where c.entity_id is not null and d.day >= p_from and d.day < p_to
         group by 1, 2, 3, 4, 5
    )
    select tenant_id, entity_id, period,
           case aggregate when 'sum' then sum(value_sum) when 'mean' then sum(value_sum) / sum(observations)
                          when 'max' then max(value_max) else avg(value_last) end,
           count(*), sum(observations)::bigint, sum(days)::bigint, min(value_min), max(value_max),
           sum(quality_sum) / sum(scored), sum(anomalies)::bigint
      from by_series group by tenant_id, entity_id, aggregate, period order by tenant_id, entity_id, period
$$;
comment on function analytics.aggregate_values is
'A metric type by customer, route, vehicle, driver, site or area, and by day, week (from Monday) or month, from p_from until before p_to, out of the daily summary.
The aggregate of the metric type decides how values add up, along time and over series: sum adds; mean is over all observations; max is the largest; last takes the last value of each series in the period and averages over series.
p_ids picks entities, p_area the series whose service area (their own, else that of their route) overlaps the polygon; a polygon of one point picks what contains it. days counts series-days; smallest and largest are of single observations.';

revoke execute on function analytics.refresh_predictive_views, analytics.mark_source from public;

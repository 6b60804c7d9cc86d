-- Months are added up over all series again.

drop trigger mark_places on analytics.series;
drop function analytics.mark_places();
drop function analytics.refresh_monthly_aggregates();
drop function analytics.covered_days(bigint[], bigint[], text[], date, date);
drop table analytics.dirty_entities, analytics.month_figures;

create table analytics.customer_behavior_aggregates (
    tenant_id    int              not null,
    customer_id  text             not null,
    metric_type  text             not null references analytics.metric_types (name) on update cascade,
    month        date             not null check (date_part('day', month) = 1),
    series       int              not null,
    days         int              not null,
    observations bigint           not null,
    value        double precision not null,
    day_mean     double precision not null,
    day_min      double precision not null,
    day_max      double precision not null,
    last_day     date             not null,
    quality      real,
    anomalies    bigint           not null,
    change       double precision,
    refreshed_at timestamptz      not null default clock_timestamp(),
    primary key (tenant_id, customer_id, metric_type, month)
);
comment on table  analytics.customer_behavior_aggregates is 'One row per customer, metric type and month, over all series of the customer; kept current from the months that changed.';

create table analytics.operational_metrics_aggregates (
    tenant_id    int              not null,
    dimension    text             not null check (dimension in ('route', 'vehicle', 'driver', 'site')),
    entity_id    text             not null,
    metric_type  text             not null references analytics.metric_types (name) on update cascade,
    month        date             not null check (date_part('day', month) = 1),
    series       int              not null,
    days         int              not null,
    observations bigint           not null,
    value        double precision not null,
    day_mean     double precision not null,
    day_min      double precision not null,
    day_max      double precision not null,
    last_day     date             not null,
    quality      real,
    anomalies    bigint           not null,
    change       double precision,
    refreshed_at timestamptz      not null default clock_timestamp(),
    primary key (tenant_id, dimension, entity_id, metric_type, month)
);
comment on table analytics.operational_metrics_aggregates is 'One row per route, vehicle, driver or site, metric type and month, over all series of it; kept current from the months that changed.';
create index customer_behavior_aggregates_month   on analytics.customer_behavior_aggregates (month);
create index operational_metrics_aggregates_month on analytics.operational_metrics_aggregates (month);

do $$
declare
    target text;
begin
    foreach target in array array['customer_behavior_aggregates', 'operational_metrics_aggregates'] loop
        execute format('comment on column analytics.%I.series is %L', target, 'How many series had an observation in the month.');
        execute format('comment on column analytics.%I.days is %L', target, 'On how many days there was an observation.');
        execute format('comment on column analytics.%I.value is %L', target, 'The month by the aggregate of the metric type: sum, mean over all observations, maximum, or the mean of each series'' last value.');
        execute format('comment on column analytics.%I.day_mean is %L', target, 'Mean over the days with an observation; a day adds up over series like a month.');
        execute format('comment on column analytics.%I.change is %L', target, 'day_mean against that of the month before: 0.1 is 10 % more. Empty when that month is missing or its mean is 0.');
    end loop;
end $$;

create function analytics.refresh_monthly_aggregates() returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set plan_cache_mode = force_custom_plan
set jit = off
set work_mem = '64MB'
set standard_conforming_strings = on
set quote_all_identifiers = off
as $$
declare
    chunk   record;
    written record;
    customers_changed  bigint := 0;
    operations_changed bigint := 0;
begin
    perform pg_advisory_xact_lock(hashtextextended('analytics.daily_metrics_summary', 0));
    for chunk in
        select month, (month + interval '1 month')::date as month_end from analytics.dirty_months group by month order by month
    loop
        with taken as materialized (
            delete from analytics.dirty_months where month = chunk.month returning series_id
        ), places as materialized (
            select s.series_id, s.tenant_id, s.metric_type, p.dimension, p.entity_id
              from analytics.series s
             cross join lateral (values ('customer', s.customer_id), ('route', s.route_id), ('vehicle', s.vehicle_id),
                                        ('driver', s.driver_id), ('site', s.site_id)) p (dimension, entity_id)
             where p.entity_id is not null
        ), touched as materialized (  -- numbered, because grouping by a number is much cheaper than by four columns
            select row_number() over () as place, t.*
              from (select distinct p.tenant_id, p.dimension, p.entity_id, p.metric_type from places p join taken using (series_id)) t
        ), members as materialized (
            select t.place, p.series_id, m.aggregate
              from touched t join places p using (tenant_id, dimension, entity_id, metric_type)
              join analytics.metric_types m on m.name = p.metric_type
        ), of_members as materialized (
            select m.place, m.aggregate, d.*
              from members m join analytics.daily_metrics_summary d using (series_id)
             where d.day >= chunk.month and d.day < chunk.month_end
        ), days as (
            select place, day,
                   case aggregate when 'sum' then sum(value_sum) when 'mean' then sum(value_sum) / sum(observations)
                                  when 'max' then max(value_max) else avg(value_last) end as value
              from of_members group by place, aggregate, day
        ), parts as (  -- of the days and of the series; put together by grouping, because a join would have to guess how many there are
            select place, null as aggregate, count(*) as days, avg(value order by day) as day_mean, min(value) as day_min,
                   max(value) as day_max, max(day) as last_day, 0 as series, null::bigint as observations, null::float8 as value_sum,
                   null::float8 as value_max, null::float8 as value_last, null::float8 as quality_sum, null::bigint as scored,
                   null::bigint as anomalies
              from days group by place
            union all
            select place, aggregate, null, null, null, null, null, 1, sum(observations), sum(value_sum order by day desc), max(value_max),
                   (array_agg(value_last order by day desc))[1], sum(quality::float8 * observations),
                   sum(observations) filter (where quality is not null), sum(anomalies)
              from of_members group by place, aggregate, series_id
        ), summed as (
            select place, sum(series) as series, sum(days) as days, sum(observations)::bigint as observations,
                   case max(aggregate) when 'sum' then sum(value_sum) when 'mean' then sum(value_sum) / sum(observations)
                                       when 'max' then max(value_max) else avg(value_last) end as value,
                   sum(day_mean) as day_mean, min(day_min) as day_min, max(day_max) as day_max, max(last_day) as last_day,
                   (sum(quality_sum) / sum(scored))::real as quality, sum(anomalies)::bigint as anomalies
              from parts group by place
        ), figures as materialized (
            select * from touched join summed using (place)
        ), customers_stored as (
            insert into analytics.customer_behavior_aggregates as a
                   (tenant_id, customer_id, metric_type, month, series, days, observations, value, day_mean, day_min, day_max, last_day, quality, anomalies)
            select tenant_id, entity_id, metric_type, chunk.month, series, days, observations, value, day_mean, day_min, day_max, last_day, quality, anomalies
              from figures where dimension = 'customer'
                on conflict (tenant_id, customer_id, metric_type, month) do update
               set (series, days, observations, value, day_mean, day_min, day_max, last_day, quality, anomalies, refreshed_at)
                 = (excluded.series, excluded.days, excluded.observations, excluded.value, excluded.day_mean, excluded.day_min,
                    excluded.day_max, excluded.last_day, excluded.quality, excluded.anomalies, excluded.refreshed_at)
             where (a.series, a.days, a.observations, a.value, a.day_mean, a.day_min, a.day_max, a.last_day, a.quality, a.anomalies)
                   is distinct from
                   (excluded.series, excluded.days, excluded.observations, excluded.value, excluded.day_mean, excluded.day_min,
                    excluded.day_max, excluded.last_day, excluded.quality, excluded.anomalies)
            returning 1
        ), customers_gone as (
            delete from analytics.customer_behavior_aggregates a
             using touched t
             where t.dimension = 'customer' and a.month = chunk.month
               and (a.tenant_id, a.customer_id, a.metric_type) = (t.tenant_id, t.entity_id, t.metric_type)
               and t.place not in (select place from figures)
            returning 1
        ), operations_stored as (
            insert into analytics.operational_metrics_aggregates as a
                   (tenant_id, dimension, entity_id, metric_type, month, series, days, observations, value, day_mean, day_min, day_max, last_day, quality, anomalies)
            select tenant_id, dimension, entity_id, metric_type, chunk.month, series, days, observations, value, day_mean, day_min, day_max, last_day, quality, anomalies
              from figures where dimension <> 'customer'
                on conflict (tenant_id, dimension, entity_id, metric_type, month) do update
               set (series, days, observations, value, day_mean, day_min, day_max, last_day, quality, anomalies, refreshed_at)
                 = (excluded.series, excluded.days, excluded.observations, excluded.value, excluded.day_mean, excluded.day_min,
                    excluded.day_max, excluded.last_day, excluded.quality, excluded.anomalies, excluded.refreshed_at)
             where (a.series, a.days, a.observations, a.value, a.day_mean, a.day_min, a.day_max, a.last_day, a.quality, a.anomalies)
                   is distinct from
                   (excluded.series, excluded.days, excluded.observations, excluded.value, excluded.day_mean, excluded.day_min,
                    excluded.day_max, excluded.last_day, excluded.quality, excluded.anomalies)
            returning 1
        ), operations_gone as (
            delete from analytics.operational_metrics_aggregates a
             using touched t
             where a.month = chunk.month
               and (a.tenant_id, a.dimension, a.entity_id, a.metric_type) = (t.tenant_id, t.dimension, t.entity_id, t.metric_type)
               and t.place not in (select place from figures)
            returning 1
        ), new_customers as (
            insert into analytics.customers (tenant_id, customer_id)
            select distinct tenant_id, entity_id from touched where dimension = 'customer' on conflict do nothing
        ), new_routes as (
            insert into analytics.routes (tenant_id, route_id)
            select distinct tenant_id, entity_id from touched where dimension = 'route' on conflict do nothing
        ), new_vehicles as (
            insert into analytics.vehicles (tenant_id, vehicle_id)
            select distinct tenant_id, entity_id from touched where dimension = 'vehicle' on conflict do nothing
        ), new_drivers as (
            insert into analytics.drivers (tenant_id, driver_id)
            select distinct tenant_id, entity_id from touched where dimension = 'driver' on conflict do nothing
        ), new_sites as (
            insert into analytics.sites (tenant_id, site_id)
            select distinct tenant_id, entity_id from touched where dimension = 'site' on conflict do nothing
        )
        select (select count(*) from customers_stored)  + (select count(*) from customers_gone)  as customers,
               (select count(*) from operations_stored) + (select count(*) from operations_gone) as operations
          into written;
        customers_changed  := customers_changed  + written.customers;
        operations_changed := operations_changed + written.operations;

        -- the change of this month, and that of the next, which looks back on it
        update analytics.customer_behavior_aggregates a
           set change = n.change
          from (select c.tenant_id, c.customer_id, c.metric_type, c.month, c.day_mean / nullif(analytics.tame(p.day_mean), 0) - 1 as change
                  from analytics.customer_behavior_aggregates c
                  left join analytics.customer_behavior_aggregates p
                    on (p.tenant_id, p.customer_id, p.metric_type) = (c.tenant_id, c.customer_id, c.metric_type)
                   and p.month = (c.month - interval '1 month')::date
                 where c.month in (chunk.month, chunk.month_end)) n
         where (a.tenant_id, a.customer_id, a.metric_type, a.month) = (n.tenant_id, n.customer_id, n.metric_type, n.month)
           and a.month in (chunk.month, chunk.month_end) and a.change is distinct from n.change;
        update analytics.operational_metrics_aggregates a
           set change = n.change
          from (select c.tenant_id, c.dimension, c.entity_id, c.metric_type, c.month, c.day_mean / nullif(analytics.tame(p.day_mean), 0) - 1 as change
                  from analytics.operational_metrics_aggregates c
                  left join analytics.operational_metrics_aggregates p
                    on (p.tenant_id, p.dimension, p.entity_id, p.metric_type) = (c.tenant_id, c.dimension, c.entity_id, c.metric_type)
                   and p.month = (c.month - interval '1 month')::date
                 where c.month in (chunk.month, chunk.month_end)) n
         where (a.tenant_id, a.dimension, a.entity_id, a.metric_type, a.month) = (n.tenant_id, n.dimension, n.entity_id, n.metric_type, n.month)
           and a.month in (chunk.month, chunk.month_end) and a.change is distinct from n.change;
    end loop;
    insert into analytics.dirty_sources (source)
    select source from (values ('customer_behavior_aggregates', customers_changed), ('operational_metrics_aggregates', operations_changed)) s (source, changed)
     where changed > 0;
    return customers_changed + operations_changed;
end $$;
comment on function analytics.refresh_monthly_aggregates is 'Makes the monthly aggregates of every entity anew whose days changed, and adds ids that are new to customers, routes, vehicles, drivers and sites; how many rows were written or removed.';

revoke execute on function analytics.refresh_monthly_aggregates from public;

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

insert into analytics.dirty_months (series_id, month)
select distinct series_id, date_trunc('month', day::timestamp)::date from analytics.daily_metrics_summary on conflict do nothing;
select analytics.refresh_monthly_aggregates();
refresh materialized view analytics.customer_behavior_summary;
refresh materialized view analytics.route_performance_summary;

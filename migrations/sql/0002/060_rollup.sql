-- What reports read: one row per series and day, and one per entity and month. Both are kept current from what has changed, not rebuilt.

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
    primary key (series_id, day)
) partition by range (day);
comment on table  analytics.daily_metrics_summary is 'One row per series and UTC day, kept current by analytics.refresh_daily_summary(). It outlives its observations: a month whose partition was dropped keeps its rows.';
comment on column analytics.daily_metrics_summary.value      is 'The day by the aggregate of its metric type: the sum, mean, maximum or last value.';
comment on column analytics.daily_metrics_summary.value_sum  is 'Values are within ±1e100 here and 0 or not nearer to it than 1e-100; see analytics.tame().';
comment on column analytics.daily_metrics_summary.value_last is 'The value with the latest time of the day.';
comment on column analytics.daily_metrics_summary.quality    is 'Mean quality score of the observations that have one, from 0 to 1.';
comment on column analytics.daily_metrics_summary.anomalies  is 'How many observations are marked as anomalies.';
-- kept for ever, and made by the refresh: none ahead
insert into analytics.partition_policy (parent, premake_months, keep_months, archive) values ('analytics.daily_metrics_summary', 0, null, false);

create table analytics.dirty_months (
    series_id bigint not null,
    month     date   not null,
    primary key (month, series_id)
);
comment on table analytics.dirty_months is 'Months of series whose days have changed since the monthly aggregates were brought up to date. Written by the refresh of the days only, so nobody waits for it.';

create table analytics.dirty_sources (
    source    text        not null,
    marked_at timestamptz not null default clock_timestamp()
);
comment on table analytics.dirty_sources is 'One row per statement that changed a table on which a view rests. Writers only add rows, so they never wait for each other; the next refresh takes the rows away.';

create function analytics.tame(p_value double precision) returns double precision
language sql immutable
as $$
    select case when abs(p_value) < 1e-100 then 0 when p_value > 1e100 then 1e100 when p_value < -1e100 then -1e100 else p_value end
$$;
comment on function analytics.tame is 'The value, or ±1e100 beyond it, or 0 nearer than 1e-100: one absurd observation must not stop the sums and ratios of all others by an overflow.';

create function analytics.mark_dirty(p_series_ids bigint[], p_from date, p_to date) returns bigint
language sql security definer set search_path = pg_catalog, pg_temp
as $$
    with marked as (
        insert into analytics.dirty_days (series_id, first_day, last_day)
        select series_id, p_from, p_to from analytics.series where series_id = any(p_series_ids)
        returning 1)
    select count(*) from marked
$$;
comment on function analytics.mark_dirty is 'For whoever changed observations by hand: their days, both included, are summarised anew at the next refresh. How many series were marked; unknown ids are ignored.';

create function analytics.refresh_daily_summary() returns bigint
language plpgsql security definer
set search_path = pg_catalog, pg_temp
set timezone = 'UTC'
set plan_cache_mode = force_custom_plan  -- spans are few or many, and each month is another partition
set jit = off
set work_mem = '64MB'
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
comment on function analytics.refresh_daily_summary is 'Summarises the marked days anew, month by month; how many rows were written or removed. Safe to call from many sessions at once.';

-- Who or what is served, by what and by whom. A refresh adds the ids that observations name; everything else is written by users and stands.

create table analytics.customers (
    tenant_id   int   not null default 1,
    customer_id text  not null,
    name        text,
    segment     text,
    active_from date,
    active_to   date  check (active_to >= active_from),
    attributes  jsonb not null default '{}' check (jsonb_typeof(attributes) = 'object'),
    created_at  timestamptz not null default now(),
    primary key (tenant_id, customer_id)
);
create table analytics.routes (
    tenant_id    int   not null default 1,
    route_id     text  not null,
    name         text,
    depot        text,
    service_area polygon,
    active_from  date,
    active_to    date  check (active_to >= active_from),
    attributes   jsonb not null default '{}' check (jsonb_typeof(attributes) = 'object'),
    created_at   timestamptz not null default now(),
    primary key (tenant_id, route_id)
);
create table analytics.vehicles (
    tenant_id   int   not null default 1,
    vehicle_id  text  not null,
    name        text,
    kind        text,
    depot       text,
    capacity_kg double precision check (capacity_kg > 0),
    active_from date,
    active_to   date  check (active_to >= active_from),
    attributes  jsonb not null default '{}' check (jsonb_typeof(attributes) = 'object'),
    created_at  timestamptz not null default now(),
    primary key (tenant_id, vehicle_id)
);
create table analytics.drivers (
    tenant_id   int   not null default 1,
    driver_id   text  not null,
    name        text,
    depot       text,
    active_from date,
    active_to   date  check (active_to >= active_from),
    attributes  jsonb not null default '{}' check (jsonb_typeof(attributes) = 'object'),
    created_at  timestamptz not null default now(),
    primary key (tenant_id, driver_id)
);
create table analytics.sites (
    tenant_id   int   not null default 1,
    site_id     text  not null,
    name        text,
    kind        text,
    location    point,
    active_from date,
    active_to   date  check (active_to >= active_from),
    attributes  jsonb not null default '{}' check (jsonb_typeof(attributes) = 'object'),
    created_at  timestamptz not null default now(),
    primary key (tenant_id, site_id)
);
comment on table analytics.customers is 'Whom we serve. A refresh adds missing ids; what a user wrote stands.';
comment on table analytics.routes    is 'What is driven. A refresh adds missing ids; what a user wrote stands.';
comment on table analytics.vehicles  is 'With what. A refresh adds missing ids; what a user wrote stands.';
comment on table analytics.drivers   is 'By whom. A refresh adds missing ids; what a user wrote stands.';
comment on table analytics.sites     is 'Where: depots, transfer stations, containers. A refresh adds missing ids; what a user wrote stands.';
comment on column analytics.routes.service_area is 'Where the route collects, x longitude and y latitude. It stands for every series of the route that has no area of its own.';
create index routes_area        on analytics.routes    using gist (service_area);
create index customers_segment  on analytics.customers (tenant_id, segment);
create index series_vehicle     on analytics.series (vehicle_id) where vehicle_id is not null;
create index series_driver      on analytics.series (driver_id)  where driver_id  is not null;
create index series_site        on analytics.series (site_id)    where site_id    is not null;

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

-- Another aggregate means another value of every day there is, also of days whose observations are gone.
create function analytics.change_aggregate() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
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
create trigger change_aggregate after update of aggregate on analytics.metric_types
    for each row when (old.aggregate is distinct from new.aggregate) execute function analytics.change_aggregate();

revoke execute on function analytics.mark_dirty, analytics.refresh_daily_summary, analytics.refresh_monthly_aggregates, analytics.change_aggregate from public;

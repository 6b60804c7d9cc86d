-- One row per entity and month. What was measured at several levels is added up once: on each day an entity's own figure where
-- it has one, else the sum of its parts.

create table analytics.month_figures (
    tenant_id    int              not null,
    dimension    text             not null check (dimension in ('customer', 'route', 'vehicle', 'driver', 'site')),
    entity_id    text             not null,
    metric_type  text             not null references analytics.metric_types (name) on update cascade,
    month        date             not null check (date_part('day', month) = 1),
    series       int              not null,
    days         int              not null,
    weekdays     int[]            not null check (cardinality(weekdays) = 7),
    observations bigint           not null,
    value        double precision not null,
    day_mean     double precision not null,
    day_min      double precision not null,
    day_max      double precision not null,
    first_day    date             not null,
    last_day     date             not null,
    until_day    date             not null,
    quality      real,
    anomalies    bigint           not null,
    refreshed_at timestamptz      not null default clock_timestamp(),
    primary key (tenant_id, dimension, entity_id, metric_type, month)
);
create index month_figures_until on analytics.month_figures (tenant_id, metric_type, until_day);
comment on table analytics.month_figures is 'One row per customer, route, vehicle, driver or site, metric type and month with an observation, kept current from the months that changed. Read it through customer_behavior_aggregates and operational_metrics_aggregates, which have silent months, too.';
comment on column analytics.month_figures.tenant_id    is 'The tenant; 1 where there is one only.';
comment on column analytics.month_figures.dimension    is 'What the entity is: customer, route, vehicle, driver or site.';
comment on column analytics.month_figures.entity_id    is 'The customer, route, vehicle, driver or site, as observations name it.';
comment on column analytics.month_figures.metric_type  is 'What is measured, of analytics.metric_types, which says the unit.';
comment on column analytics.month_figures.month        is 'The local month, by its first day.';
comment on column analytics.month_figures.series       is 'How many series had an observation in the month that counts; what a part measured on a day on which a whole did (analytics.series_parts) does not.';
comment on column analytics.month_figures.days         is 'On how many days there was an observation.';
comment on column analytics.month_figures.weekdays     is 'On how many Mondays, Tuesdays … Sundays there was an observation.';
comment on column analytics.month_figures.observations is 'How many observations count.';
comment on column analytics.month_figures.value        is 'The month by the aggregate of the metric type: sum, mean over all observations, maximum, or the mean of each series'' last value.';
comment on column analytics.month_figures.day_mean     is 'Mean over the days with an observation; a day adds up over series like a month.';
comment on column analytics.month_figures.day_min      is 'The smallest day of the month that has an observation, in the unit of the metric type.';
comment on column analytics.month_figures.day_max      is 'The largest day of the month, in the unit of the metric type.';
comment on column analytics.month_figures.first_day    is 'The first local day of the month with an observation.';
comment on column analytics.month_figures.last_day     is 'The newest local day of the month with an observation.';
comment on column analytics.month_figures.until_day    is 'The last day that the observations cover: of a step of a week or longer its last one.';
comment on column analytics.month_figures.quality      is 'Mean quality score of the observations that have one, from 0 to 1.';
comment on column analytics.month_figures.anomalies    is 'How many observations of the month are marked as anomalies.';
comment on column analytics.month_figures.refreshed_at is 'When the row was last made (instant).';

create table analytics.dirty_entities (
    tenant_id   int  not null,
    dimension   text not null,
    entity_id   text not null,
    metric_type text not null,
    month       date not null
);
comment on table analytics.dirty_entities is 'Months that a series was a part of, which is gone or is of another place now. Written with the change itself; analytics.refresh_monthly_aggregates() takes them away.';
comment on column analytics.dirty_entities.tenant_id   is 'The tenant; 1 where there is one only.';
comment on column analytics.dirty_entities.dimension   is 'What the entity is: customer, route, vehicle, driver or site.';
comment on column analytics.dirty_entities.entity_id   is 'The entity whose month changed, as observations name it.';
comment on column analytics.dirty_entities.metric_type is 'What is measured, of analytics.metric_types.';
comment on column analytics.dirty_entities.month       is 'The local month that changed, by its first day.';

create function analytics.covered_days(p_part_ids bigint[], p_whole_ids bigint[], p_keys text[], p_from date, p_to date)
returns table (key text, part_id bigint, day date)
language sql stable
as $$
    with pairs as materialized (
        select t.key, t.part_id, t.whole_id, pg.step as part_step, wg.step as whole_step,
               greatest(pg.mean_days, wg.mean_days) >= 7 as long, 1 + ceil(greatest(pg.mean_days, wg.mean_days))::int as reach
          from unnest(p_part_ids, p_whole_ids, p_keys) t (part_id, whole_id, key)
          join analytics.series p on p.series_id = t.part_id join analytics.granularities pg on pg.name = p.granularity
          join analytics.series w on w.series_id = t.whole_id join analytics.granularities wg on wg.name = w.granularity
    )
    select s.key, s.part_id, w.day
      from pairs s join analytics.daily_metrics_summary w on w.series_id = s.whole_id
     where not s.long and w.day >= p_from and w.day < p_to
    union all
    select s.key, s.part_id, p.day  -- a step of a week or longer covers all of its days
      from pairs s
      join analytics.daily_metrics_summary p on p.series_id = s.part_id
      join analytics.daily_metrics_summary w on w.series_id = s.whole_id
       and w.day > p.day - s.reach and w.day < p.day + s.reach
       and w.day < greatest(p.day + 1, (p.day + s.part_step)::date) and p.day < greatest(w.day + 1, (w.day + s.whole_step)::date)
     where s.long and p.day >= p_from and p.day < p_to
       and w.day > p_from - (select max(reach) from pairs where long) and w.day < p_to + (select max(reach) from pairs where long)
$$;
comment on function analytics.covered_days is 'Of pairs of a part and its whole (analytics.series_parts), the days from p_from until before p_to on which what the part measured is in what the whole measured, so that the part does not count beside it; p_keys are given back with the days of their pairs. A day may come more than once.
A step of a week or longer covers all of its days. Read out of the daily summary.';

-- Names and segments that observations bring as labels are those of customers, routes and sites, where nobody wrote any.
create function analytics.name_places() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set standard_conforming_strings = on set quote_all_identifiers = off
as $$
begin
    update analytics.customers c
       set name = coalesce(c.name, l.name), segment = coalesce(c.segment, l.segment)
      from (select s.tenant_id, s.customer_id, min(analytics.label_name(s, 'customer')) as name,
                   min(coalesce(s.labels ->> 'customer_segment', s.labels ->> 'segment')) as segment
              from analytics.series s
             where (s.tenant_id, s.customer_id) in (select a.tenant_id, a.entity_id from arrived a where a.dimension = 'customer')
             group by s.tenant_id, s.customer_id) l
     where c.tenant_id = l.tenant_id and c.customer_id = l.customer_id
       and (c.name is null and l.name is not null or c.segment is null and l.segment is not null);
    update analytics.routes r set name = l.name
      from (select s.tenant_id, s.route_id, min(analytics.label_name(s, 'route')) as name from analytics.series s
             where (s.tenant_id, s.route_id) in (select a.tenant_id, a.entity_id from arrived a where a.dimension = 'route')
             group by s.tenant_id, s.route_id) l
     where r.tenant_id = l.tenant_id and r.route_id = l.route_id and r.name is null and l.name is not null;
    update analytics.sites r set name = l.name
      from (select s.tenant_id, s.site_id, min(analytics.label_name(s, 'site')) as name from analytics.series s
             where (s.tenant_id, s.site_id) in (select a.tenant_id, a.entity_id from arrived a where a.dimension = 'site')
             group by s.tenant_id, s.site_id) l
     where r.tenant_id = l.tenant_id and r.site_id = l.site_id and r.name is null and l.name is not null;
    return null;
end $$;
comment on function analytics.name_places is 'Gives customers, routes and sites whose months were just summed up a name, and customers a segment, by the labels of their series, where they have none.';
revoke execute on function analytics.name_places from public;
create trigger name_places after insert on analytics.month_figures
    referencing new table as arrived for each statement execute function analytics.name_places();

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
    mixed   record;
    chunk   record;
    written record;
    parts   bigint[];
    wholes  bigint[];
    shared  text[];
    customers_changed  bigint := 0;
    operations_changed bigint := 0;
begin
    perform pg_advisory_xact_lock(hashtextextended('analytics.daily_metrics_summary', 0));
    if not exists (select from analytics.dirty_months) and not exists (select from analytics.dirty_entities) then
        return 0;
    end if;
    -- what is measured in steps of different length may be a part of what another month holds
    for mixed in
        select s.tenant_id, s.metric_type, max(case when g.months > 0 then g.months - 1 when g.mean_days >= 7 then 1 else 0 end) as reach
          from analytics.series s join analytics.granularities g on g.name = s.granularity
         group by s.tenant_id, s.metric_type
        having max(g.mean_days) >= 7 and (min(g.position) < max(g.position) or min(s.anchor) < max(s.anchor))
    loop
        insert into analytics.dirty_months (series_id, month)
        select distinct d.series_id, (d.month + make_interval(months => n))::date
          from analytics.dirty_months d join analytics.series s using (series_id)
         cross join lateral generate_series(- mixed.reach, mixed.reach) n
         where s.tenant_id = mixed.tenant_id and s.metric_type = mixed.metric_type
            on conflict do nothing;
    end loop;
    select coalesce(array_agg(p.part_id), '{}'), coalesce(array_agg(p.whole_id), '{}'), coalesce(array_agg(d.dimension), '{}')
      into parts, wholes, shared
      from analytics.series_parts p cross join lateral unnest(array_remove(p.dimensions, 'company')) d (dimension)
     where (p.tenant_id, p.metric_type) in (select s.tenant_id, s.metric_type from analytics.dirty_months d join analytics.series s using (series_id)
                                            union select e.tenant_id, e.metric_type from analytics.dirty_entities e);
    for chunk in
        select month, (month + interval '1 month')::date as month_end
          from (select month from analytics.dirty_months union select month from analytics.dirty_entities) d order by month
    loop
        with taken as materialized (
            delete from analytics.dirty_months where month = chunk.month returning series_id
        ), taken_entities as materialized (
            delete from analytics.dirty_entities where month = chunk.month returning tenant_id, dimension, entity_id, metric_type
        ), places as materialized (
            select s.series_id, s.tenant_id, s.metric_type, p.dimension, p.entity_id
              from analytics.series s
             cross join lateral (values ('customer', s.customer_id), ('route', s.route_id), ('vehicle', s.vehicle_id),
                                        ('driver', s.driver_id), ('site', s.site_id)) p (dimension, entity_id)
             where p.entity_id is not null
        ), touched as materialized (  -- numbered, because grouping by a number is much cheaper than by four columns
            select row_number() over () as place, t.*
              from (select p.tenant_id, p.dimension, p.entity_id, p.metric_type from places p join taken using (series_id)
                    union select tenant_id, dimension, entity_id, metric_type from taken_entities) t
        ), members as materialized (
            select t.place, t.dimension, p.series_id, m.aggregate, g.step
              from touched t join places p using (tenant_id, dimension, entity_id, metric_type)
              join analytics.series s using (series_id)
              join analytics.granularities g on g.name = s.granularity
              join analytics.metric_types m on m.name = p.metric_type
        ), of_members as materialized (
            select m.place, m.aggregate, m.step, d.*
              from members m join analytics.daily_metrics_summary d using (series_id)
             where d.day >= chunk.month and d.day < chunk.month_end
               and (m.dimension, d.series_id, d.day) not in (  -- hashed, however many the planner expects
                   select key, part_id, day from analytics.covered_days(parts, wholes, shared, chunk.month, chunk.month_end))
        ), days as (
            select place, day, extract(isodow from day) as weekday,
                   case aggregate when 'sum' then sum(value_sum) when 'mean' then sum(value_sum) / sum(observations)
                                  when 'max' then max(value_max) else avg(value_last) end as value
              from of_members group by place, aggregate, day
        ), parts_of_places as (  -- of the days and of the series; put together by grouping, because a join would have to guess how many there are
            select place, null as aggregate, count(*) as days, avg(value order by day) as day_mean, min(value) as day_min,
                   max(value) as day_max, min(day) as first_day, max(day) as last_day, null::date as until_day,
                   array[count(*) filter (where weekday = 1), count(*) filter (where weekday = 2), count(*) filter (where weekday = 3),
                         count(*) filter (where weekday = 4), count(*) filter (where weekday = 5), count(*) filter (where weekday = 6),
                         count(*) filter (where weekday = 7)]::int[] as weekdays,
                   0 as series, null::bigint as observations, null::float8 as value_sum, null::float8 as value_max,
                   null::float8 as value_last, null::float8 as quality_sum, null::bigint as scored, null::bigint as anomalies
              from days group by place
            union all
            select place, aggregate, null, null, null, null, null, null, greatest(max(day), (max(day) + step)::date - 1), null,
                   1, sum(observations), sum(value_sum order by day desc), max(value_max),
                   (array_agg(value_last order by day desc))[1], sum(quality::float8 * observations),
                   sum(observations) filter (where quality is not null), sum(anomalies)
              from of_members group by place, aggregate, step, series_id
        ), summed as (
            select place, sum(series) as series, sum(days) as days, max(weekdays) as weekdays, sum(observations)::bigint as observations,
                   case max(aggregate) when 'sum' then sum(value_sum) when 'mean' then sum(value_sum) / sum(observations)
                                       when 'max' then max(value_max) else avg(value_last) end as value,
                   sum(day_mean) as day_mean, min(day_min) as day_min, max(day_max) as day_max, min(first_day) as first_day,
                   max(last_day) as last_day, max(until_day) as until_day,
                   (sum(quality_sum) / sum(scored))::real as quality, sum(anomalies)::bigint as anomalies
              from parts_of_places group by place
        ), figures as materialized (
            select * from touched join summed using (place)
        ), stored as (
            insert into analytics.month_figures as a
                   (tenant_id, dimension, entity_id, metric_type, month, series, days, weekdays, observations, value, day_mean, day_min, day_max,
                    first_day, last_day, until_day, quality, anomalies)
            select tenant_id, dimension, entity_id, metric_type, chunk.month, series, days, weekdays, observations, value, day_mean, day_min, day_max,
                   first_day, last_day, until_day, quality, anomalies
              from figures
                on conflict (tenant_id, dimension, entity_id, metric_type, month) do update
               set (series, days, weekdays, observations, value, day_mean, day_min, day_max, first_day, last_day, until_day, quality, anomalies, refreshed_at)
                 = (excluded.series, excluded.days, excluded.weekdays, excluded.observations, excluded.value, excluded.day_mean, excluded.day_min,
                    excluded.day_max, excluded.first_day, excluded.last_day, excluded.until_day, excluded.quality, excluded.anomalies, excluded.refreshed_at)
             where (a.series, a.days, a.weekdays, a.observations, a.value, a.day_mean, a.day_min, a.day_max, a.first_day, a.last_day, a.until_day,
                    a.quality, a.anomalies)
                   is distinct from
                   (excluded.series, excluded.days, excluded.weekdays, excluded.observations, excluded.value, excluded.day_mean, excluded.day_min,
                    excluded.day_max, excluded.first_day, excluded.last_day, excluded.until_day, excluded.quality, excluded.anomalies)
            returning dimension
        ), gone as (
            delete from analytics.month_figures a
             using touched t
             where a.month = chunk.month
               and (a.tenant_id, a.dimension, a.entity_id, a.metric_type) = (t.tenant_id, t.dimension, t.entity_id, t.metric_type)
               and t.place not in (select place from figures)
            returning a.dimension
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
        select count(*) filter (where dimension = 'customer') as customers, count(*) filter (where dimension <> 'customer') as operations
          into written
          from (select dimension from stored union all select dimension from gone) both_kinds;
        customers_changed  := customers_changed  + written.customers;
        operations_changed := operations_changed + written.operations;
    end loop;
    insert into analytics.dirty_sources (source)
    select source from (values ('customer_behavior_aggregates', customers_changed), ('operational_metrics_aggregates', operations_changed)) s (source, changed)
     where changed > 0;
    return customers_changed + operations_changed;
end $$;
comment on function analytics.refresh_monthly_aggregates is 'Makes the months of every customer, route, vehicle, driver and site anew whose days changed, and adds ids that are new to the tables of these; how many rows were written or removed. Nothing counts twice: see analytics.series_parts.';
revoke execute on function analytics.refresh_monthly_aggregates from public;

create function analytics.mark_places() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set standard_conforming_strings = on set quote_all_identifiers = off
as $$
begin
    perform pg_advisory_xact_lock(hashtextextended('analytics.daily_metrics_summary', 0));  -- a refresh that runs still counts it where it was
    insert into analytics.dirty_entities (tenant_id, dimension, entity_id, metric_type, month)
    select m.tenant_id, m.dimension, m.entity_id, m.metric_type, m.month
      from (values ('customer', old.customer_id), ('route', old.route_id), ('vehicle', old.vehicle_id), ('driver', old.driver_id),
                   ('site', old.site_id)) p (dimension, entity_id)
      join analytics.month_figures m on m.tenant_id = old.tenant_id and m.dimension = p.dimension and m.entity_id = p.entity_id
                                    and m.metric_type = old.metric_type;
    if tg_op = 'UPDATE' then
        insert into analytics.dirty_months (series_id, month)
        select distinct d.series_id, date_trunc('month', d.day::timestamp)::date from analytics.daily_metrics_summary d
         where d.series_id = new.series_id
            on conflict do nothing;
    end if;
    return null;
end $$;
comment on function analytics.mark_places is 'Marks the months of the places of a series that goes, or that becomes one of other places.';
revoke execute on function analytics.mark_places from public;
create trigger mark_places after delete or update of tenant_id, metric_type, granularity, customer_id, route_id, vehicle_id, driver_id, site_id, labels
    on analytics.series for each row execute function analytics.mark_places();

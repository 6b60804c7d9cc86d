-- The dimension: one row per place and metric type. JSON and geometry are here, so that the table of observations stays narrow.

create table analytics.series (
    series_id        bigint generated always as identity primary key,
    tenant_id        int    not null default 1,
    metric_type      text   not null references analytics.metric_types (name) on update cascade,
    granularity      text   not null default 'daily' references analytics.granularities (name),
    customer_id      text,
    route_id         text,
    vehicle_id       text,
    driver_id        text,
    site_id          text,
    labels           jsonb  not null default '{}' check (jsonb_typeof(labels) = 'object'),
    service_area     polygon,
    seasonality      jsonb,
    external_factors jsonb  check (jsonb_typeof(external_factors) = 'object'),
    created_at       timestamptz not null default now(),
    time_zone        text   not null default 'UTC' check (analytics.is_time_zone(time_zone)),
    anchor           int    check (anchor >= 0),
    level            text   not null generated always as (
        case when customer_id is not null then 'customer'
             when driver_id   is not null then 'driver'
             when vehicle_id  is not null then 'vehicle'
             when route_id    is not null then 'route'
             when site_id     is not null then 'site'
             when labels ? 'series'       then 'customer'  -- of a plain file: one of many, whatever they are
             else 'company' end) stored
        check (level in ('customer', 'driver', 'vehicle', 'route', 'site', 'company')),
    total            boolean not null default false,
    weeks_of         bigint references analytics.series on delete cascade,
    constraint series_weeks_are_totals check (weeks_of is null or total and granularity = 'weekly'),
    constraint series_identity unique nulls not distinct
        (tenant_id, metric_type, granularity, customer_id, route_id, vehicle_id, driver_id, site_id, labels)
);
create index series_customer on analytics.series (customer_id) where customer_id is not null;
create index series_route on analytics.series (route_id)    where route_id is not null;
create index series_labels on analytics.series using gin (labels jsonb_path_ops);
create index series_external_factors on analytics.series using gin (external_factors jsonb_path_ops);
create index series_seasonality on analytics.series using gin (seasonality jsonb_path_ops);
create index series_area on analytics.series using gist (service_area);
create index series_vehicle on analytics.series (vehicle_id) where vehicle_id is not null;
create index series_driver on analytics.series (driver_id)  where driver_id  is not null;
create index series_site on analytics.series (site_id)    where site_id    is not null;
create unique index series_weeks_of on analytics.series (weeks_of) where weeks_of is not null;
comment on table analytics.series is 'One place (customer, route, vehicle, driver, site, labels) times one metric type. JSON and geometry live here, so that the fact table stays narrow.';
comment on column analytics.series.series_id        is 'Numbers the series; observations and forecasts name it.';
comment on column analytics.series.tenant_id        is 'The tenant; 1 where there is one only.';
comment on column analytics.series.metric_type      is 'What is measured, of analytics.metric_types, which says the unit.';
comment on column analytics.series.granularity      is 'How long a step is, of analytics.granularities.';
comment on column analytics.series.customer_id      is 'The customer; empty where the series has none.';
comment on column analytics.series.route_id         is 'The route; empty where the series has none.';
comment on column analytics.series.vehicle_id       is 'The vehicle; empty where the series has none.';
comment on column analytics.series.driver_id        is 'The driver; empty where the series has none.';
comment on column analytics.series.site_id          is 'The site; empty where the series has none.';
comment on column analytics.series.labels           is 'Anything else that tells series apart, as a JSON object of texts.';
comment on column analytics.series.service_area     is 'Where it is collected, x longitude and y latitude; empty where nobody said.';
comment on column analytics.series.seasonality      is 'Seasons that were found in it, as JSON, with strength and index; empty until they were looked for.';
comment on column analytics.series.external_factors is 'What influences the series from outside, as a JSON object: what the user says by analytics.series_for(…, external_factors => …). Ask with @>, which an index answers.';
comment on column analytics.series.created_at       is 'When the series was made: its first row came.';
comment on column analytics.series.time_zone        is 'IANA name of the clock by which its days, weeks and hours are reckoned; not a part of what tells series apart. Changing it marks what must be summarised and scored anew.';
comment on column analytics.series.anchor           is 'How much later than usual its steps begin: seconds after Monday (a week), months after January (a quarter, a year), seconds after the full hour UTC where hours are of a zone that nobody named. Null where there is no choice, or no value yet.';
comment on column analytics.series.level            is 'Whose figures these are, by the finest of its places: customer, driver, vehicle, route, site, in this order; company, where it names none. A series of a plain file that names no place counts as that of a customer.';
comment on column analytics.series.total            is 'Whether this is a sum that is forecast and never observed: of the series below it, or of the days of weeks_of. Nothing is trained on it and nothing counts it; its outcomes are sums of those of its parts.';
comment on column analytics.series.weeks_of         is 'Of weekly totals of days: the daily series whose Mondays to Sundays are summed, which may be a total itself.';

create table analytics.service_calendar (
    series_id       bigint      primary key references analytics.series on delete cascade,
    closed_weekdays smallint[]  not null default '{}' check (closed_weekdays <@ '{1,2,3,4,5,6,7}'),
    closed_months   smallint[]  not null default '{}' check (closed_months <@ '{1,2,3,4,5,6,7,8,9,10,11,12}'),
    as_of           timestamptz not null
);
comment on table analytics.service_calendar is 'Weekdays and months in which a series never has a value, as they were learnt from its own past when it was last forecast. Nothing is forecast for them, and a forecast that was stored before they closed is closed, too. A series that has never been forecast has no row.';
comment on column analytics.service_calendar.series_id       is 'Of analytics.series.';
comment on column analytics.service_calendar.closed_weekdays is 'Closed weekdays from 1 (Monday) to 7 (Sunday), by the clock of the series; empty where all are served, or steps are longer than a day.';
comment on column analytics.service_calendar.closed_months   is 'Closed months from 1 (January) to 12; empty where all are served.';
comment on column analytics.service_calendar.as_of           is 'It was first known to be so from what was recorded by then (UTC instant).';

-- Names ------------------------------------------------------------------------------------------------------------------

-- A series by the name that a person knows, said once.
create function analytics.series_name(s analytics.series) returns text
language sql stable
as $$
    select coalesce(nullif(concat_ws(' · ', s.customer_id, s.route_id, s.vehicle_id, s.driver_id, s.site_id,
                                     (select string_agg(value, ' · ' order by key) from jsonb_each_text(s.labels))), ''),
                    'series ' || s.series_id)
$$;
comment on function analytics.series_name is 'What a person calls a series: its customer, route, vehicle, driver, site and labels; its number where it has none of them.';

create function analytics.label_name(s analytics.series, p_place text) returns text
language sql stable
as $$
    select coalesce(s.labels ->> (p_place || '_name'), case when s.level = p_place then s.labels ->> 'name' end)
$$;
comment on function analytics.label_name is 'What the labels of a series call its customer, route, vehicle, driver or site (p_place): the label customer_name and so on, or name where the series is that place''s own by its level.';

-- Which series measures a part of what another one measures --------------------------------------------------------------

-- A total has no observations, so it is nobody's whole and nobody's part.
create view analytics.series_parts with (security_invoker = true) as
with placed as not materialized (
    select s.series_id, s.tenant_id, s.metric_type, s.level, s.customer_id, s.driver_id, s.vehicle_id, s.route_id, s.site_id, s.labels,
           g.position as step, num_nonnulls(s.customer_id, s.driver_id, s.vehicle_id, s.route_id, s.site_id) as places,
           case s.level when 'customer' then coalesce(s.customer_id, s.labels ->> 'series') when 'driver' then s.driver_id
                        when 'vehicle' then s.vehicle_id when 'route' then s.route_id when 'site' then s.site_id else '' end as owner
      from analytics.series s join analytics.granularities g on g.name = s.granularity where not s.total
), pairs as (
    select p.tenant_id, p.metric_type, p.series_id as part_id, w.series_id as whole_id, p.labels, w.labels as whole_labels,
           w.customer_id = p.customer_id as customer, w.route_id = p.route_id as route, w.vehicle_id = p.vehicle_id as vehicle,
           w.driver_id = p.driver_id as driver, w.site_id = p.site_id as site
      from placed p
     cross join lateral (values ('customer', coalesce(p.customer_id, case when p.level = 'customer' then p.owner end)), ('driver', p.driver_id),
                                ('vehicle', p.vehicle_id), ('route', p.route_id), ('site', p.site_id), ('company', '')) k (level, owner)
      join placed w on w.tenant_id = p.tenant_id and w.metric_type = p.metric_type and w.level = k.level and w.owner = k.owner
     where w.level <> p.level
        or (w.customer_id is null or p.customer_id is not null) and (w.driver_id is null or p.driver_id is not null)
       and (w.vehicle_id is null or p.vehicle_id is not null) and (w.route_id is null or p.route_id is not null)
       and (w.site_id is null or p.site_id is not null) and p.labels @> w.labels
       and (w.places < p.places or not w.labels @> p.labels or w.step > p.step)
    union all
    select p.tenant_id, p.metric_type, p.series_id, w.series_id, p.labels, w.labels,
           w.customer_id = p.customer_id, w.route_id = p.route_id, w.vehicle_id = p.vehicle_id, w.driver_id = p.driver_id, w.site_id = p.site_id
      from placed p join placed w on w.tenant_id = p.tenant_id and w.metric_type = p.metric_type
     where p.level = 'driver'  and p.vehicle_id is null and w.level = 'vehicle'
        or p.level in ('driver', 'vehicle') and p.route_id is null and w.level = 'route'
        or p.level in ('driver', 'vehicle') and p.site_id  is null and w.level = 'site'
)
select tenant_id, metric_type, part_id, whole_id,
       array_remove(array[case when customer then 'customer' end, case when route then 'route' end, case when vehicle then 'vehicle' end,
                          case when driver then 'driver' end, case when site then 'site' end, 'company'], null) as dimensions
  from pairs
 where customer is not false and route is not false and vehicle is not false and driver is not false and site is not false
   and (whole_labels || labels) @> whole_labels;
comment on view analytics.series_parts is 'One row per series and a whole of which it measures a part, so that nobody adds up both: a customer''s collections and those of its route. The whole is of a coarser level and the part names whose it is; what drivers and vehicles measure without naming a route is a part of what routes measure.
Of one level the whole is what names fewer places or labels, or has the longer step. No place and no label that both name may differ.';
comment on column analytics.series_parts.tenant_id   is 'The tenant; 1 where there is one only.';
comment on column analytics.series_parts.metric_type is 'What both measure, of analytics.metric_types.';
comment on column analytics.series_parts.part_id     is 'The series that measures a part, of analytics.series.';
comment on column analytics.series_parts.whole_id    is 'The series that measures the whole, of analytics.series.';
comment on column analytics.series_parts.dimensions  is 'Of whom both are: of the company, and of the customer, route, vehicle, driver or site that both name. Only there one of them counts in place of the other.';

-- Whose a series is, and of which other series what it measures is a part: said once, and read by all that adds series up.

alter table analytics.series
    add column level text not null generated always as (
        case when customer_id is not null then 'customer'
             when driver_id   is not null then 'driver'
             when vehicle_id  is not null then 'vehicle'
             when route_id    is not null then 'route'
             when site_id     is not null then 'site'
             when labels ? 'series'       then 'customer'  -- of a plain file: one of many, whatever they are
             else 'company' end) stored
        constraint series_level_check check (level in ('customer', 'driver', 'vehicle', 'route', 'site', 'company'));
comment on column analytics.series.level is 'Whose figures these are, by the finest of its places: customer, driver, vehicle, route, site, in this order; company, where it names none. A series of a plain file that names no place counts as that of a customer.';

create or replace view analytics.time_series as
select s.tenant_id, s.metric_type, t.unit, s.granularity, s.series_id, s.customer_id, s.route_id, s.vehicle_id, s.driver_id, s.site_id,
       m.observed_at, m.value, m.value_lower, m.value_upper, m.quality_score, m.is_anomaly, m.anomaly_score, m.recorded_at,
       s.labels, s.service_area, s.seasonality, s.external_factors, s.time_zone, s.level
  from analytics.time_series_metrics m
  join analytics.series s using (series_id)
  join analytics.metric_types t on t.name = s.metric_type;

create view analytics.series_parts with (security_invoker = true) as
with placed as not materialized (
    select s.series_id, s.tenant_id, s.metric_type, s.level, s.customer_id, s.driver_id, s.vehicle_id, s.route_id, s.site_id, s.labels,
           g.position as step, num_nonnulls(s.customer_id, s.driver_id, s.vehicle_id, s.route_id, s.site_id) as places,
           case s.level when 'customer' then coalesce(s.customer_id, s.labels ->> 'series') when 'driver' then s.driver_id
                        when 'vehicle' then s.vehicle_id when 'route' then s.route_id when 'site' then s.site_id else '' end as owner
      from analytics.series s join analytics.granularities g on g.name = s.granularity
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
comment on view analytics.series_parts is
'One row per series and a whole of which it measures a part, so that nobody adds up both: a customer''s collections and those of its route. The whole is of a coarser level and the part names whose it is; what drivers and vehicles measure without naming a route is a part of what routes measure.
Of one level the whole is what names fewer places or labels, or has the longer step. No place and no label that both name may differ.';
comment on column analytics.series_parts.dimensions is 'Of whom both are: of the company, and of the customer, route, vehicle, driver or site that both name. Only there one of them counts in place of the other.';

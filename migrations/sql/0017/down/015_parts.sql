create or replace view analytics.series_parts with (security_invoker = true) as
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

-- the series of totals, made where they are not there yet, by the keys asked for
with wanted as (
    select *
      from unnest(cast(:keys as bigint[]), cast(:tenants as int[]), cast(:zones as text[]), cast(:drivers as text[]), cast(:vehicles as text[]),
                  cast(:routes as text[]), cast(:sites as text[]), cast(:labels as jsonb[]))
           as w (key, tenant_id, time_zone, driver_id, vehicle_id, route_id, site_id, labels)
), made as (
    insert into analytics.series (tenant_id, metric_type, granularity, time_zone, driver_id, vehicle_id, route_id, site_id, labels, total)
    select tenant_id, :metric_type, :granularity, time_zone, driver_id, vehicle_id, route_id, site_id, labels, true from wanted order by key
    on conflict on constraint series_identity do update set total = true
    returning series_id, tenant_id, driver_id, vehicle_id, route_id, site_id, labels
)
select w.key, m.series_id
  from wanted w
  join made m on jsonb_build_array(m.tenant_id, m.driver_id, m.vehicle_id, m.route_id, m.site_id, m.labels)
               = jsonb_build_array(w.tenant_id, w.driver_id, w.vehicle_id, w.route_id, w.site_id, w.labels)
 order by w.key

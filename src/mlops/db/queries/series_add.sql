-- adds the wanted series that are not known yet; another session may add the same at this moment
insert into analytics.series (tenant_id, metric_type, granularity, customer_id, route_id, vehicle_id, driver_id, site_id, labels, time_zone, anchor)
select tenant_id, metric_type, granularity, customer_id, route_id, vehicle_id, driver_id, site_id, labels, coalesce(time_zone, 'UTC'), anchor
  from wanted_series w
 where not exists (
       select from analytics.series s
        where jsonb_build_array(s.tenant_id, s.metric_type, s.granularity, s.customer_id, s.route_id, s.vehicle_id, s.driver_id, s.site_id, s.labels)
            = jsonb_build_array(w.tenant_id, w.metric_type, w.granularity, w.customer_id, w.route_id, w.vehicle_id, w.driver_id, w.site_id, w.labels))
 order by tenant_id, metric_type, granularity, customer_id, route_id, vehicle_id, driver_id, site_id, labels
on conflict on constraint series_identity do nothing

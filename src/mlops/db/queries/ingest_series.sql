-- adds the series of the file that are not known yet; another session may add the same at this moment
insert into analytics.series (tenant_id, metric_type, granularity, customer_id, route_id, vehicle_id, driver_id, site_id, labels)
select tenant_id, metric_type, granularity, customer_id, route_id, vehicle_id, driver_id, site_id, labels
  from incoming_series
 where series_id is null
 order by tenant_id, metric_type, granularity, customer_id, route_id, vehicle_id, driver_id, site_id, labels
on conflict on constraint series_identity do nothing

-- makes the series of weekly totals of some daily series, where they are not there yet
insert into analytics.series
       (tenant_id, metric_type, granularity, time_zone, anchor, customer_id, route_id, vehicle_id, driver_id, site_id, labels, total, weeks_of)
select tenant_id, metric_type, 'weekly', time_zone, 0, customer_id, route_id, vehicle_id, driver_id, site_id,
       labels || '{"week": "weekly total"}', true, series_id
  from analytics.series s
 where series_id = any(cast(:series_ids as bigint[])) and not exists (select from analytics.series w where w.weeks_of = s.series_id)
 order by series_id
    on conflict do nothing

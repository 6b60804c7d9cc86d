-- series that had no zone or no anchor yet get those that the file says; how many
update analytics.series s
   set time_zone = case when s.time_zone = 'UTC' then coalesce(w.time_zone, 'UTC') else s.time_zone end,
       anchor = coalesce(s.anchor, w.anchor)
  from wanted_series w
 where jsonb_build_array(s.tenant_id, s.metric_type, s.granularity, s.customer_id, s.route_id, s.vehicle_id, s.driver_id, s.site_id, s.labels)
     = jsonb_build_array(w.tenant_id, w.metric_type, w.granularity, w.customer_id, w.route_id, w.vehicle_id, w.driver_id, w.site_id, w.labels)
   and (s.time_zone = 'UTC' and w.time_zone <> 'UTC' or s.anchor is null and w.anchor is not null)

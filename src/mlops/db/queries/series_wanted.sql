-- the wanted series in the order of their keys; arrays are compared because an absent place equals an absent place
select w.key, s.series_id
  from wanted_series w
  join analytics.series s
    on s.tenant_id = w.tenant_id and s.metric_type = w.metric_type and s.granularity = w.granularity
   and jsonb_build_array(s.customer_id, s.route_id, s.vehicle_id, s.driver_id, s.site_id, s.labels)
     = jsonb_build_array(w.customer_id, w.route_id, w.vehicle_id, w.driver_id, w.site_id, w.labels)
 order by w.key

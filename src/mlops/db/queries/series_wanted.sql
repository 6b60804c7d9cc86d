-- the wanted series in the order of their keys; one array is compared, because an absent place equals an absent place and one
-- expression can be hashed
select w.key, s.series_id, s.time_zone, s.anchor
  from wanted_series w
  join analytics.series s
    on jsonb_build_array(s.tenant_id, s.metric_type, s.granularity, s.customer_id, s.route_id, s.vehicle_id, s.driver_id, s.site_id, s.labels)
     = jsonb_build_array(w.tenant_id, w.metric_type, w.granularity, w.customer_id, w.route_id, w.vehicle_id, w.driver_id, w.site_id, w.labels)
 order by w.key

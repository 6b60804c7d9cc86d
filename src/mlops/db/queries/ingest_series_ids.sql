-- the ids of the series of the file that are known; arrays are compared because an absent place equals an absent place
update incoming_series i set series_id = s.series_id
  from analytics.series s
 where i.series_id is null
   and s.tenant_id = i.tenant_id and s.metric_type = i.metric_type and s.granularity = i.granularity
   and jsonb_build_array(s.customer_id, s.route_id, s.vehicle_id, s.driver_id, s.site_id, s.labels)
     = jsonb_build_array(i.customer_id, i.route_id, i.vehicle_id, i.driver_id, i.site_id, i.labels)

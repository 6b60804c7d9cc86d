-- whose some series are: their places, finest first, and what a total of them has in common
select s.series_id, s.tenant_id, s.metric_type, s.granularity, s.time_zone, s.anchor, s.customer_id, s.driver_id, s.vehicle_id, s.route_id, s.site_id, s.labels,
       s.level, t.aggregate
  from analytics.series s join analytics.metric_types t on t.name = s.metric_type
 where s.series_id = any(:series_ids)
 order by s.series_id

-- the series that measure routes, vehicles, drivers, sites or the company themselves: of a metric type, with observations
select s.series_id, s.level, s.tenant_id, s.customer_id, s.driver_id, s.vehicle_id, s.route_id, s.site_id
  from analytics.series s
 where s.metric_type = :metric_type and s.granularity = :granularity and s.level <> 'customer' and not s.total
   and (select m.observed_at from analytics.time_series_metrics m where m.series_id = s.series_id limit 1) is not null
 order by s.series_id

-- the clocks of the wanted series that are there, and of those that would get a zone the first stored time that does not fit it
select w.key, s.time_zone, s.anchor,
       case when s.time_zone = 'UTC' and w.time_zone <> 'UTC' and not g.dated
            then (select min(m.observed_at) from analytics.time_series_metrics m
                   where m.series_id = s.series_id
                     and not analytics.begins_step(g.seconds, g.months, g.dated, w.time_zone, 0, m.observed_at)) end as off
  from wanted_series w
  join analytics.series s
    on jsonb_build_array(s.tenant_id, s.metric_type, s.granularity, s.customer_id, s.route_id, s.vehicle_id, s.driver_id, s.site_id, s.labels)
     = jsonb_build_array(w.tenant_id, w.metric_type, w.granularity, w.customer_id, w.route_id, w.vehicle_id, w.driver_id, w.site_id, w.labels)
  join analytics.granularities g on g.name = s.granularity

-- which of these customers, routes, vehicles, drivers or sites (the dimension) no series has
select w.id
  from unnest(cast(:ids as text[])) with ordinality as w(id, place)
 where w.id not in (
       select case :dimension when 'customer' then s.customer_id when 'route' then s.route_id
                              when 'vehicle' then s.vehicle_id when 'driver' then s.driver_id
                              when 'site' then s.site_id end
         from analytics.series s
        where case :dimension when 'customer' then s.customer_id when 'route' then s.route_id
                              when 'vehicle' then s.vehicle_id when 'driver' then s.driver_id
                              when 'site' then s.site_id end = any(cast(:ids as text[])))
 order by w.place

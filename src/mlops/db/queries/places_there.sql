-- the customers, routes, vehicles, drivers or sites (the dimension) that series have
select distinct p.id
  from analytics.series s
 cross join lateral (select case :dimension when 'customer' then s.customer_id when 'route' then s.route_id
                                            when 'vehicle' then s.vehicle_id when 'driver' then s.driver_id
                                            when 'site' then s.site_id end as id) p
 where p.id is not null
 order by p.id

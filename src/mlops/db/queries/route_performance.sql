-- totals and rates of each route
select * from analytics.route_performance_summary
 where cast(:route_ids as text[]) is null or route_id = any(:route_ids)
 order by tenant_id, route_id

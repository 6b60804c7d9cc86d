-- the series of another metric type that measure the same place (or the same route, customer … as a whole), per series; and of what measures
-- only a part of that, which of them measure the whole
with place as (
    select series_id, metric_type, granularity, tenant_id,
           case :entity when 'series'   then jsonb_build_array(customer_id, route_id, vehicle_id, driver_id, site_id, labels)
                        when 'customer' then to_jsonb(customer_id)
                        when 'route'    then to_jsonb(route_id)
                        when 'vehicle'  then to_jsonb(vehicle_id)
                        when 'driver'   then to_jsonb(driver_id)
                        when 'site'     then to_jsonb(site_id) end as place
      from analytics.series where not total
), parts as materialized (
    select part_id, array_agg(whole_id) as wholes from analytics.series_parts
     where metric_type = :metric_type and cast(:entity as text) = any(dimensions) group by part_id
)
select w.series_id, s.series_id as source_id, p.wholes
  from place w join place s using (tenant_id, granularity, place) left join parts p on p.part_id = s.series_id
 where w.series_id = any(:series_ids) and s.metric_type = :metric_type
 order by 1, 2

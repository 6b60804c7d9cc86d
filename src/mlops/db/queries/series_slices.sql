-- which part of a model each of its series belongs to, for every way of slicing that is asked for: a column, a label, or what is known of its
-- route or customer
select s.series_id, b.name as by,
       coalesce(s.labels ->> b.name,
                case b.name when 'granularity'  then s.granularity
                            when 'metric_type'  then s.metric_type
                            when 'customer_id'  then s.customer_id
                            when 'route_id'     then s.route_id
                            when 'vehicle_id'   then s.vehicle_id
                            when 'driver_id'    then s.driver_id
                            when 'site_id'      then s.site_id
                            when 'segment'      then c.segment
                            when 'depot'        then r.depot
                            when 'service_area' then coalesce(cast(s.service_area as text), cast(r.service_area as text)) end,
                r.attributes ->> b.name, c.attributes ->> b.name) as value
  from analytics.series s
 cross join unnest(cast(:by as text[])) b (name)
  left join analytics.routes    r on r.tenant_id = s.tenant_id and r.route_id = s.route_id
  left join analytics.customers c on c.tenant_id = s.tenant_id and c.customer_id = s.customer_id
 where s.series_id = any(cast(:series_ids as bigint[]))
 order by b.name, s.series_id

-- the series of a selection by a name that a person knows
select series_id,
       coalesce(nullif(concat_ws(' ', site_id, route_id, vehicle_id, driver_id, customer_id), ''), nullif(labels, '{}')::text, 'series ' || series_id) as name
  from analytics.series
 where metric_type = :metric_type and granularity = :granularity
   and (cast(:labels as jsonb) is null or labels @> cast(:labels as jsonb))
 order by series_id

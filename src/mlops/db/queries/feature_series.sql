-- the series of a selection with their clocks, labels and places: what features are built for
select series_id, time_zone, labels || jsonb_strip_nulls(jsonb_build_object(
           'customer_id', customer_id, 'route_id', route_id, 'vehicle_id', vehicle_id, 'driver_id', driver_id,
           'site_id', site_id, 'tenant_id', tenant_id::text)) as labels
  from analytics.series
 where metric_type = :metric_type and granularity = :granularity and not total
   and (cast(:labels as jsonb) is null or labels @> :labels)
   and (cast(:series_ids as bigint[]) is null or series_id = any(:series_ids))
   and (cast(:level as text) is null or level = :level)
 order by series_id

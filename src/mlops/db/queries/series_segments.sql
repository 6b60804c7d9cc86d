-- the places and labels of the series of a selection, by which forecasts are added up
select series_id, customer_id, route_id, vehicle_id, driver_id, site_id, labels
  from analytics.series
 where metric_type = :metric_type and granularity = :granularity and not total
   and (cast(:labels as jsonb) is null or labels @> cast(:labels as jsonb))
   and (cast(:level as text) is null or level = :level)
 order by series_id

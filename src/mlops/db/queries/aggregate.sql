-- a metric type by customer, route, vehicle, driver, site or area and by day, week or month
select tenant_id, entity_id, period::timestamp at time zone 'UTC' as ds, value as y, series, observations, days, smallest, largest, quality, anomalies,
       observed_days, expected_days
  from analytics.aggregate_values(cast(:by as text), cast(:grain as text), cast(:metric_type as text), cast(:start as date), cast(:end as date),
                                  cast(:ids as text[]), cast(:area as polygon), cast(:tenant_id as int))

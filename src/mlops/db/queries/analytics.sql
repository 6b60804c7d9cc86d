-- What customers, routes and other places do: by day, week and month.

-- name: refresh_predictive_views
-- refreshes the daily summary, the monthly aggregates and the views; what was done about each
select view_name, refreshed, seconds, rows from analytics.refresh_predictive_views(:force)

-- name: aggregate_values
-- a metric type by customer, route, vehicle, driver, site or area and by day, week or month
select tenant_id, entity_id, period::timestamp at time zone 'UTC' as ds, value as y, series, observations, days, smallest, largest, quality, anomalies,
       observed_days, expected_days
  from analytics.aggregate_values(cast(:by as text), cast(:grain as text), cast(:metric_type as text), cast(:start as date), cast(:end as date),
                                  cast(:ids as text[]), cast(:area as polygon), cast(:tenant_id as int))

-- name: customer_behaviour
-- volume and trend of each customer
select * from analytics.customer_behavior_summary
 where (cast(:customer_ids as text[]) is null or customer_id = any(:customer_ids))
   and (cast(:metric_type as text) is null or metric_type = :metric_type)
 order by tenant_id, customer_id, metric_type

-- name: customers_by_month
-- monthly figures of some customers
select a.tenant_id, a.customer_id, a.metric_type, t.unit, a.month::timestamp at time zone 'UTC' as ds, a.value as y, a.series, a.days,
       a.observations, a.day_mean, a.day_min, a.day_max, a.change, a.quality, a.anomalies,
       a.calendar_days, a.expected_days
  from analytics.customer_behavior_aggregates a join analytics.metric_types t on t.name = a.metric_type
 where a.customer_id = any(cast(:customer_ids as text[])) and a.month >= :start and a.month < :end
   and (cast(:metric_type as text) is null or a.metric_type = :metric_type)
 order by a.tenant_id, a.customer_id, a.metric_type, a.month

-- name: route_performance
-- totals and rates of each route
select * from analytics.route_performance_summary
 where cast(:route_ids as text[]) is null or route_id = any(:route_ids)
 order by tenant_id, route_id

-- name: operations_by_month
-- monthly figures of some routes, vehicles, drivers or sites
select a.tenant_id, a.entity_id, a.metric_type, t.unit, a.month::timestamp at time zone 'UTC' as ds, a.value as y, a.series, a.days,
       a.observations, a.day_mean, a.day_min, a.day_max, a.change, a.quality, a.anomalies,
       a.calendar_days, a.expected_days
  from analytics.operational_metrics_aggregates a join analytics.metric_types t on t.name = a.metric_type
 where a.dimension = :dimension and a.entity_id = any(cast(:ids as text[])) and a.month >= :start and a.month < :end
   and (cast(:metric_type as text) is null or a.metric_type = :metric_type)
 order by a.tenant_id, a.entity_id, a.metric_type, a.month

-- name: seasonal_patterns
-- weekday and month pattern of some series
select * from analytics.seasonal_patterns where series_id = any(cast(:series_ids as bigint[])) order by series_id, season desc, position

-- name: daily_values
-- daily values of some series, one row per series: days since :start, and their values
select series_id, array_agg(day - cast(:start as date) order by day) as days, array_agg(value order by day) as "values"
  from analytics.daily_metrics_summary
 where series_id = any(cast(:series_ids as bigint[])) and day >= :start and day < :end
 group by series_id order by series_id

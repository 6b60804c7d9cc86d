-- What is measured: the declared metric types.

-- name: metric_types
-- the declared metric types with the limits by which their values are checked
select name, unit, aggregate, min_value, max_value, seasons, flat_after, jump_limit, late_after, anomaly_limit, absence from analytics.metric_types

-- name: add_metric_type
-- declares a metric type, unless one of that name is there
insert into analytics.metric_types (name, unit, aggregate, min_value, max_value, absence)
values (:name, :unit, :aggregate, :min_value, :max_value, :absence)
on conflict (name) do nothing

-- name: metric_types_with_series
-- the declared metric types, with how many series each has
select t.name, t.unit, t.aggregate, t.min_value, t.max_value, t.absence, count(s.series_id) as series
  from analytics.metric_types t left join analytics.series s on s.metric_type = t.name and not s.total
 group by t.name order by t.name

-- name: metric_types_with_data
-- metric types that have series with observations of their own, with granularities and levels; of one granularity, or of all
select metric_type, granularity, array_agg(distinct level order by level) as levels from analytics.series
 where not total and (cast(:granularity as text) is null or granularity = :granularity)
 group by metric_type, granularity order by metric_type, granularity

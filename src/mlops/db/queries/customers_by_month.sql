-- months of some customers
select a.tenant_id, a.customer_id, a.metric_type, t.unit, a.month::timestamp at time zone 'UTC' as ds, a.value as y, a.series, a.days,
       a.observations, a.day_mean, a.day_min, a.day_max, a.change, a.quality, a.anomalies,
       a.calendar_days, a.expected_days
  from analytics.customer_behavior_aggregates a join analytics.metric_types t on t.name = a.metric_type
 where a.customer_id = any(cast(:customer_ids as text[])) and a.month >= :start and a.month < :end
   and (cast(:metric_type as text) is null or a.metric_type = :metric_type)
 order by a.tenant_id, a.customer_id, a.metric_type, a.month

-- the declared metric types with all that their values are held against
select name, unit, aggregate, min_value, max_value, seasons, flat_after, jump_limit, late_after, anomaly_limit, absence from analytics.metric_types

-- the declared metric types with the smallest and the largest possible value
select name, coalesce(min_value, '-infinity') as low, coalesce(max_value, 'infinity') as high from analytics.metric_types

-- metric types that have series of a granularity
select distinct metric_type from analytics.series where granularity = :granularity order by metric_type

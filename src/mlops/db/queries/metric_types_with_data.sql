-- metric types that have series, with their granularities: of one granularity, or of all
select distinct metric_type, granularity from analytics.series
 where not total and (cast(:granularity as text) is null or granularity = :granularity) order by metric_type, granularity

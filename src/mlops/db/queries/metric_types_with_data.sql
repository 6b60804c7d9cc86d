-- metric types that have series, with their granularities and levels: of one granularity, or of all
select metric_type, granularity, array_agg(distinct level order by level) as levels from analytics.series
 where cast(:granularity as text) is null or granularity = :granularity
 group by metric_type, granularity order by metric_type, granularity

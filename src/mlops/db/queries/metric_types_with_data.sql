-- metric types that have series with observations of their own, with granularities and levels: of one granularity, or of all
select metric_type, granularity, array_agg(distinct level order by level) as levels from analytics.series
 where not total and (cast(:granularity as text) is null or granularity = :granularity)
 group by metric_type, granularity order by metric_type, granularity

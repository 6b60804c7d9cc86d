-- the ids of the series of a metric type, or of all, and which of the wanted ones are there
select series_id from analytics.series
 where not total and (cast(:metric_type as text) is null or metric_type = :metric_type)
   and (cast(:series_ids as bigint[]) is null or series_id = any(:series_ids))
 order by series_id

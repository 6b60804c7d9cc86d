-- the ids of a selection of series
select series_id, granularity, time_zone from analytics.series
 where not total and (cast(:metric_type as text) is null or metric_type = :metric_type)
   and (cast(:granularity as text) is null or granularity = :granularity)
   and (cast(:labels as jsonb) is null or labels @> :labels)
   and (cast(:series_ids as bigint[]) is null or series_id = any(:series_ids))
   and (cast(:level as text) is null or level = :level)
 order by series_id

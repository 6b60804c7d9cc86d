-- how many of some series measure a part of what another of them measures
select count(distinct part_id) as parts from analytics.series_parts
 where metric_type = :metric_type and part_id = any(cast(:series_ids as bigint[])) and whole_id = any(cast(:series_ids as bigint[]))

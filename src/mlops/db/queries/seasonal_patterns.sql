-- weekday and month pattern of some series
select * from analytics.seasonal_patterns where series_id = any(cast(:series_ids as bigint[])) order by series_id, season desc, position

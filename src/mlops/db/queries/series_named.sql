-- what people call series
select series_id, analytics.series_name(s) as name from analytics.series s where series_id = any(:series_ids)

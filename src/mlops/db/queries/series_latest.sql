-- the newest observations of a series
select observed_at, value, quality_score, recorded_at from analytics.time_series_metrics
 where series_id = :series_id order by observed_at desc limit :most

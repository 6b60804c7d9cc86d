-- the series of the weekly totals of some daily series
select weeks_of, series_id from analytics.series where weeks_of = any(cast(:series_ids as bigint[])) order by weeks_of

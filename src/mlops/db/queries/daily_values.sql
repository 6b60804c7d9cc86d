-- the days of some series, one row per series: days since :start, and their values
select series_id, array_agg(day - cast(:start as date) order by day) as days, array_agg(value order by day) as "values"
  from analytics.daily_metrics_summary
 where series_id = any(cast(:series_ids as bigint[])) and day >= :start and day < :end
 group by series_id order by series_id

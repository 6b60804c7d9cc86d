-- the trusted history of some series, one array per series and column, because millions of single values are slow to pass
select series_id, max(recorded_at) as as_of, array_send(array_agg(observed_at order by observed_at)) as observed_at,
       array_send(array_agg(value order by observed_at)) as value
  from analytics.time_series_metrics
 where series_id = any(:series_ids) and coalesce(quality_score, 1) > 0
 group by series_id

-- the newest observation of each of some series
select series_id, observed_at as ds, value as y, quality_score, is_anomaly, recorded_at
  from analytics.latest_values(cast(:series_ids as bigint[])) order by series_id

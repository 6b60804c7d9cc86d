-- locks the observations that get another score; how many
select analytics.lock_observations(array_agg(m.series_id), array_agg(m.observed_at))
  from changes c
  join analytics.time_series_metrics m on m.series_id = c.series_id and m.observed_at = c.observed_at
 where m.observed_at between (select min(observed_at) from changes) and (select max(observed_at) from changes)
   and (m.quality_score, m.is_anomaly, m.anomaly_score) is distinct from (c.quality_score, c.is_anomaly, c.anomaly_score)

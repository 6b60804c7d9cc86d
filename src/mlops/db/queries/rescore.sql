-- stores the scores that are other than before
update analytics.time_series_metrics m
   set quality_score = c.quality_score, is_anomaly = c.is_anomaly, anomaly_score = c.anomaly_score
  from changes c
 where m.series_id = c.series_id and m.observed_at = c.observed_at
   and m.observed_at between (select min(observed_at) from changes) and (select max(observed_at) from changes)
   and (m.quality_score, m.is_anomaly, m.anomaly_score) is distinct from (c.quality_score, c.is_anomaly, c.anomaly_score)

-- stores the scores that are other than before; how many
with meant as materialized (
    select c.*
      from changes c
      join analytics.time_series_metrics m on m.series_id = c.series_id and m.observed_at = c.observed_at
     where m.observed_at between (select min(observed_at) from changes) and (select max(observed_at) from changes)
       and (m.quality_score, m.is_anomaly, m.anomaly_score) is distinct from (c.quality_score, c.is_anomaly, c.anomaly_score)
), stored as (
    update analytics.time_series_metrics m
       set quality_score = c.quality_score, is_anomaly = c.is_anomaly, anomaly_score = c.anomaly_score
      from meant c
     where m.series_id = c.series_id and m.observed_at = c.observed_at
       and m.observed_at between (select min(observed_at) from changes) and (select max(observed_at) from changes)
    returning 1
)
select analytics.expect_rows((select count(*) from stored), (select count(*) from meant), 'analytics.time_series_metrics')

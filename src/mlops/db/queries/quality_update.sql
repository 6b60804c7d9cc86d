-- stores the scores that have changed; how many
with stored as (
    update analytics.time_series_metrics m set quality_score = s.quality_score
      from scores s
     where m.series_id = s.series_id and m.observed_at = s.observed_at
       and m.observed_at >= (select min(observed_at) from scores) and m.observed_at <= (select max(observed_at) from scores)
    returning 1
)
select analytics.expect_rows((select count(*) from stored), (select count(*) from scores), 'analytics.time_series_metrics')

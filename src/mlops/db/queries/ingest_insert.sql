-- stores the arriving rows that are still new, in key order so that two writers wait for each other and never lock up
insert into analytics.time_series_metrics
       (series_id, observed_at, value, value_lower, value_upper, quality_score, is_anomaly, anomaly_score, recorded_at)
select series_id, observed_at, value, value_lower, value_upper, quality_score, is_anomaly, anomaly_score, recorded_at
  from arriving order by date_trunc('month', observed_at, 'UTC'), series_id, observed_at
on conflict (series_id, observed_at) do nothing

-- corrects the locked observations and keeps what was known before; a corrected value became known now; how many
with corrected as (
    update analytics.time_series_metrics m
       set value = c.value, value_lower = c.value_lower, value_upper = c.value_upper, quality_score = c.quality_score,
           is_anomaly = c.is_anomaly, anomaly_score = c.anomaly_score,
           recorded_at = greatest(statement_timestamp(), o.recorded_at + interval '1 microsecond')
      from changed o join changes c using (series_id, observed_at)
     where m.series_id = o.series_id and m.observed_at = o.observed_at
       and m.observed_at between (select min(observed_at) from changed) and (select max(observed_at) from changed)
    returning m.series_id, m.observed_at, m.recorded_at as superseded_at
), kept as (
    insert into analytics.time_series_revisions
           (series_id, observed_at, value, value_lower, value_upper, recorded_at, superseded_at)
    select o.series_id, o.observed_at, o.value, o.value_lower, o.value_upper, o.recorded_at, n.superseded_at
      from changed o join corrected n using (series_id, observed_at)
    returning 1
)
select count(*) from kept

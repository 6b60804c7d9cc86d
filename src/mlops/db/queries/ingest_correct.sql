-- corrects the locked observations and keeps what was known before; a corrected value became known now; how many
with meant as materialized (  -- as they stand now that they are locked
    select m.series_id, m.observed_at, m.value, m.value_lower, m.value_upper, m.recorded_at,
           greatest(statement_timestamp(), m.recorded_at + interval '1 microsecond') as superseded_at
      from changed d join changes c using (series_id, observed_at)
      join analytics.time_series_metrics m on m.series_id = d.series_id and m.observed_at = d.observed_at
     where m.observed_at between (select min(observed_at) from changed) and (select max(observed_at) from changed)
       and (m.value, m.value_lower, m.value_upper, m.quality_score) is distinct from (c.value, c.value_lower, c.value_upper, c.quality_score)
), corrected as (
    update analytics.time_series_metrics m
       set value = c.value, value_lower = c.value_lower, value_upper = c.value_upper, quality_score = c.quality_score,
           is_anomaly = c.is_anomaly, anomaly_score = c.anomaly_score, recorded_at = o.superseded_at
      from meant o join changes c using (series_id, observed_at)
     where m.series_id = o.series_id and m.observed_at = o.observed_at
       and m.observed_at between (select min(observed_at) from changed) and (select max(observed_at) from changed)
    returning m.series_id, m.observed_at
), kept as (
    insert into analytics.time_series_revisions
           (series_id, observed_at, value, value_lower, value_upper, recorded_at, superseded_at)
    select o.series_id, o.observed_at, o.value, o.value_lower, o.value_upper, o.recorded_at, o.superseded_at
      from meant o join corrected n using (series_id, observed_at)
    returning 1
)
select analytics.expect_rows((select count(*) from kept), (select count(*) from meant), 'analytics.time_series_metrics')

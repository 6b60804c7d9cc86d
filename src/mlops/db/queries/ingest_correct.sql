-- corrects the locked observations and keeps what was known before; a corrected value became known now
with corrected as (
    update analytics.time_series_metrics m
       set value = c.new_value, value_lower = c.new_lower, value_upper = c.new_upper, quality_score = c.new_score,
           recorded_at = greatest(statement_timestamp(), c.recorded_at + interval '1 microsecond')
      from changed c
     where m.series_id = c.series_id and m.observed_at = c.observed_at
       and m.observed_at between (select min(observed_at) from changed) and (select max(observed_at) from changed)
    returning m.series_id, m.observed_at, m.recorded_at as superseded_at
), kept as (
    insert into analytics.time_series_revisions
           (series_id, observed_at, value, value_lower, value_upper, recorded_at, superseded_at)
    select c.series_id, c.observed_at, c.value, c.value_lower, c.value_upper, c.recorded_at, n.superseded_at
      from changed c join corrected n using (series_id, observed_at)
    returning series_id, observed_at
)
insert into touched (series_id, since, inserted, corrected)
select series_id, min(observed_at), 0, count(*) from kept group by series_id

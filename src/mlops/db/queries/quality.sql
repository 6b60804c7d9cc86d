-- The scores of observations that are stored already.

-- name: quality_plan
-- for the rest of the transaction reads by index: new partitions have no statistics yet, and would be scanned per series
select set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true)

-- name: quality_lock
-- locks the observations whose scores have changed; how many
select analytics.lock_observations(array_agg(series_id), array_agg(observed_at)) from scores

-- name: quality_update
-- stores the scores that have changed; how many
with stored as (
    update analytics.time_series_metrics m set quality_score = s.quality_score
      from scores s
     where m.series_id = s.series_id and m.observed_at = s.observed_at
       and m.observed_at >= (select min(observed_at) from scores) and m.observed_at <= (select max(observed_at) from scores)
    returning 1
)
select analytics.expect_rows((select count(*) from stored), (select count(*) from scores), 'analytics.time_series_metrics')

-- name: take_unscored
-- takes away the marks of some series that came in by SQL: from when on their scores are to be made
with chosen as (
    select series_id from (select distinct series_id from analytics.unscored) s order by series_id limit :most
), taken as (
    delete from analytics.unscored u using chosen c where u.series_id = c.series_id returning u.series_id, u.since
)
select t.series_id, s.metric_type, s.granularity, s.time_zone, min(t.since) as since
  from taken t join analytics.series s using (series_id)
 group by t.series_id, s.metric_type, s.granularity, s.time_zone order by t.series_id

-- name: rescore_lock
-- locks the observations that get another score; how many
select analytics.lock_observations(array_agg(m.series_id), array_agg(m.observed_at))
  from changes c
  join analytics.time_series_metrics m on m.series_id = c.series_id and m.observed_at = c.observed_at
 where m.observed_at between (select min(observed_at) from changes) and (select max(observed_at) from changes)
   and (m.quality_score, m.is_anomaly, m.anomaly_score) is distinct from (c.quality_score, c.is_anomaly, c.anomaly_score)

-- name: rescore
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

-- The scores of observations that are stored already.

-- name: quality_plan
-- for the rest of the transaction reads by index: new partitions have no statistics yet, and would be scanned per series
select set_config('enable_seqscan', 'off', true), set_config('jit', 'off', true)

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

-- name: scores_by_key
-- whether what follows may join all observations between two times, or looks each up by its key: the planner takes too few for too many
select set_config('enable_hashjoin', :joined, true), set_config('enable_mergejoin', :joined, true)

-- name: rescore_lock
-- locks the observations that get another score; how many
select analytics.lock_observations(array_agg(m.series_id), array_agg(m.observed_at))
  from scores s
 cross join lateral (  -- offset: each row is looked up by its key, not found among all between two times
       select * from analytics.time_series_metrics o where o.series_id = s.series_id and o.observed_at = s.observed_at offset 0) m
 where m.quality_score is distinct from s.quality_score
    or s.is_anomaly is not null and (m.is_anomaly, m.anomaly_score) is distinct from (s.is_anomaly, s.anomaly_score)

-- name: rescore
-- stores the scores that are other than before (an anomaly that was not judged stays as it is); how many
with meant as materialized (
    select s.series_id, s.observed_at, s.quality_score, coalesce(s.is_anomaly, m.is_anomaly) as is_anomaly,
           case when s.is_anomaly is null then m.anomaly_score else s.anomaly_score end as anomaly_score
      from scores s
     cross join lateral (
           select * from analytics.time_series_metrics o where o.series_id = s.series_id and o.observed_at = s.observed_at offset 0) m
     where m.quality_score is distinct from s.quality_score
        or s.is_anomaly is not null and (m.is_anomaly, m.anomaly_score) is distinct from (s.is_anomaly, s.anomaly_score)
), stored as (
    update analytics.time_series_metrics m
       set quality_score = s.quality_score, is_anomaly = s.is_anomaly, anomaly_score = s.anomaly_score
      from meant s
     where m.series_id = s.series_id and m.observed_at = s.observed_at
       and m.observed_at between (select min(observed_at) from scores) and (select max(observed_at) from scores)
    returning 1
)
select analytics.expect_rows((select count(*) from stored), (select count(*) from meant), 'analytics.time_series_metrics')

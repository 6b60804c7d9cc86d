-- Outcomes, written onto the predictions that they judge.

-- name: count_waiting_predictions
-- predictions whose time has come but whose outcome is not known, and how many of them nothing may ever judge
select count(*) as waiting, count(*) filter (where target_at < cast(:as_of as timestamptz) - interval '28 days') as overdue
  from analytics.model_prediction_results where outcome is null and parts is null and target_at < :as_of

-- name: create_matched_predictions
-- a table of this transaction alone: the predictions whose outcomes it writes
create temporary table matched_predictions on commit drop as
select version_id, series_id, cutoff, target_at from analytics.model_prediction_results with no data

-- name: match_outcomes
-- writes outcomes known at :as_of onto predictions whose outcome is missing or has been corrected since; how many
with meant as materialized (
    select p.version_id, p.series_id, p.cutoff, p.target_at, o.value, o.recorded_at
      from analytics.model_prediction_results p
      join analytics.time_series_metrics o on o.series_id = p.series_id and o.observed_at = p.target_at
     where p.target_at < :as_of and o.recorded_at <= :as_of
       and coalesce(o.quality_score, 1) > 0
       and p.outcome is distinct from o.value
), matched as (
    update analytics.model_prediction_results p
       set outcome = o.value, outcome_recorded_at = o.recorded_at, matched_at = :as_of
      from meant o
     where p.version_id = o.version_id and p.series_id = o.series_id and p.cutoff = o.cutoff and p.target_at = o.target_at
       and p.target_at < :as_of
    returning p.version_id, p.series_id, p.cutoff, p.target_at
), noted as (  -- for the totals that they are part of
    insert into matched_predictions (version_id, series_id, cutoff, target_at) select version_id, series_id, cutoff, target_at from matched
)
select analytics.expect_rows((select count(*) from matched), (select count(*) from meant), 'analytics.model_prediction_results')

-- name: match_totals
-- writes onto totals that have no observations of their own the sum of the outcomes of their parts; how many
-- (of those that wait and of those of whose issue a part was matched now; where a step without a value means zero, a part without an
-- outcome is zero once a later observation of its series is known, or after four weeks; else a total waits for all of its parts)
with due as materialized (
    select f.version_id, f.series_id, f.cutoff, p.target_at, f.parts, t.absence = 'zero' as zero
      from analytics.forecast_parts f
      join analytics.series s on s.series_id = f.series_id and s.total
      join analytics.metric_types t on t.name = s.metric_type
      join analytics.model_prediction_results p on p.version_id = f.version_id and p.series_id = f.series_id and p.cutoff = f.cutoff
     where p.parts is not null and p.target_at < :as_of
       and (p.outcome is null
            or (p.version_id, p.cutoff, p.target_at) in (select version_id, cutoff, target_at from matched_predictions))
), parts as (
    select d.version_id, d.series_id, d.cutoff, d.target_at, q.series_id as part_id, q.outcome, coalesce(q.outcome_recorded_at, n.known_at) as known_at
      from due d
     cross join lateral unnest(d.parts) as m (part_id)
      join analytics.model_prediction_results q
        on q.version_id = d.version_id and q.series_id = m.part_id and q.cutoff = d.cutoff and q.target_at = d.target_at
      left join lateral (
           select least(min(o.recorded_at), case when d.target_at + interval '28 days' <= :as_of then d.target_at + interval '28 days' end) as known_at
             from analytics.time_series_metrics o
            where d.zero and q.outcome is null and o.series_id = m.part_id
              and o.observed_at > d.target_at and o.observed_at <= d.target_at + interval '28 days' and o.recorded_at <= :as_of) n on d.zero and q.outcome is null
), summed as materialized (
    select version_id, series_id, cutoff, target_at, coalesce(sum(outcome order by part_id), 0) as outcome, max(known_at) as known_at
      from parts group by version_id, series_id, cutoff, target_at having count(known_at) = count(*)
), matched as (
    update analytics.model_prediction_results p
       set outcome = o.outcome, outcome_recorded_at = o.known_at, matched_at = :as_of
      from summed o
     where p.version_id = o.version_id and p.series_id = o.series_id and p.cutoff = o.cutoff and p.target_at = o.target_at
       and p.target_at < :as_of and p.outcome is distinct from o.outcome
    returning p.version_id, p.series_id, p.cutoff, p.target_at
), noted as (
    insert into matched_predictions (version_id, series_id, cutoff, target_at) select version_id, series_id, cutoff, target_at from matched
)
select count(*) from matched

-- name: match_weeks
-- writes onto weekly totals the sum of the outcomes of their days, once all of them are known; how many
-- (of those that wait and of those of which a day was matched now; a day without a value is zero as in match_totals)
with due as materialized (
    select p.version_id, p.series_id, p.cutoff, p.target_at, s.weeks_of, t.absence = 'zero' as zero
      from analytics.series s
      join analytics.metric_types t on t.name = s.metric_type
      join analytics.model_prediction_results p on p.series_id = s.series_id
     where s.weeks_of is not null and p.target_at < cast(:as_of as timestamptz) - interval '6 days'
       and (p.outcome is null
            or (p.version_id, s.weeks_of, p.cutoff, p.target_at) in (
                select version_id, series_id, cutoff, date_trunc('week', target_at, 'UTC') from matched_predictions))
), days as (
    select d.version_id, d.series_id, d.cutoff, d.target_at, q.target_at as day, q.outcome, coalesce(q.outcome_recorded_at, n.known_at) as known_at
      from due d
      join analytics.model_prediction_results q
        on q.version_id = d.version_id and q.series_id = d.weeks_of and q.cutoff = d.cutoff
       and q.target_at >= d.target_at and q.target_at < d.target_at + interval '7 days'
      left join lateral (
           select least(min(o.recorded_at), case when q.target_at + interval '28 days' <= :as_of then q.target_at + interval '28 days' end) as known_at
             from analytics.time_series_metrics o
            where d.zero and q.outcome is null and o.series_id = d.weeks_of
              and o.observed_at > q.target_at and o.observed_at <= q.target_at + interval '28 days' and o.recorded_at <= :as_of) n on d.zero and q.outcome is null
), summed as materialized (
    select version_id, series_id, cutoff, target_at, coalesce(sum(outcome order by day), 0) as outcome, max(known_at) as known_at
      from days group by version_id, series_id, cutoff, target_at having count(known_at) = count(*)
), matched as (
    update analytics.model_prediction_results p
       set outcome = o.outcome, outcome_recorded_at = o.known_at, matched_at = :as_of
      from summed o
     where p.version_id = o.version_id and p.series_id = o.series_id and p.cutoff = o.cutoff and p.target_at = o.target_at
       and p.target_at < :as_of and p.outcome is distinct from o.outcome
    returning 1
)
select count(*) from matched

-- Observations that somebody decided to delete or to date anew.

-- name: preview_edit
-- what is stored of each of some series between two times, for a decision to delete it or to change its dates
select s.series_id, s.metric_type, s.granularity, o.observations, o.first_at, o.last_at, o.recorded_first, o.recorded_last,
       o.observations - r.corrected as uncorrected, o.ahead - r.now_ahead + r.first_ahead as ahead, r.corrections, f.forecasts, f.outcomes
  from analytics.series s
  join analytics.granularities g on g.name = s.granularity
 cross join lateral (
       select count(*) as observations, min(m.observed_at) as first_at, max(m.observed_at) as last_at,
              min(m.recorded_at) as recorded_first, max(m.recorded_at) as recorded_last,
              count(*) filter (where m.recorded_at > m.observed_at + g.step) as ahead
         from analytics.time_series_metrics m
        where m.series_id = s.series_id and m.observed_at >= :first and m.observed_at < :until) o
 cross join lateral (  -- of what was corrected the first value counts, not the one that stands
       select coalesce(sum(v.corrections), 0)::bigint as corrections, count(m.recorded_at) as corrected,
              count(*) filter (where m.recorded_at > v.observed_at + g.step) as now_ahead,
              count(*) filter (where m.recorded_at is not null and v.recorded_at > v.observed_at + g.step) as first_ahead
         from (select observed_at, count(*) as corrections, (array_agg(recorded_at order by superseded_at))[1] as recorded_at
                 from analytics.time_series_revisions
                where series_id = s.series_id and observed_at >= :first and observed_at < :until
                group by observed_at) v
         left join lateral (select m.recorded_at from analytics.time_series_metrics m
                             where m.series_id = s.series_id and m.observed_at = v.observed_at limit 1) m on true) r
 cross join lateral (
       select count(*) as forecasts, count(p.outcome) as outcomes from analytics.model_prediction_results p
        where p.series_id = s.series_id and p.target_at >= :first and p.target_at < :until) f
 where s.series_id = any(cast(:series_ids as bigint[]))
 order by s.series_id

-- name: dependants_of_edit
-- the model versions that were trained on some of these series between two times, and the feature builds that hold them
select 'model' as what, v.name, v.version::text as version, v.deleted_at is not null as gone
  from analytics.model_versions v
 where v.trained_from < :until and v.trained_to >= :first
   and exists (select from unnest(cast(:series_ids as bigint[])) s (series_id) where v.lineage -> 'series' @> to_jsonb(s.series_id))
union all
select distinct 'build', b.feature_set, b.build_id::text, false
  from analytics.feature_builds b
  join analytics.series s on s.metric_type = b.selection ->> 'metric_type' and s.granularity = b.selection ->> 'granularity'
 where s.series_id = any(cast(:series_ids as bigint[]))
 order by 1 desc, 2, 3

-- name: edit_observations
-- deletes observations or changes their dates, and records that as one decision; its number
select analytics.edit_observations(cast(:action as text), cast(:known_at as text), cast(:series_ids as bigint[]),
       cast(:first as timestamptz), cast(:until as timestamptz), cast(:decided_by as text), cast(:reason as text))

-- name: edited_series
-- what was done to each series by one decision
select edit_id, series_id, series, action, known_at, first_at, last_at, observations, corrections, outcomes, recorded_first, recorded_last,
       decided_by, reason, decided_at
  from analytics.observation_edits where edit_id = :edit_id order by series_id

-- name: edits_behind_prediction
-- the decisions, made after a prediction was issued, to delete or re-date raw observations behind it
select e.edit_id, e.action, e.known_at, e.observations, e.first_at, e.last_at, e.decided_at, e.decided_by, e.reason
  from analytics.model_prediction_results p
  join analytics.model_versions v using (version_id)
  join analytics.series s using (series_id)
  left join analytics.forecast_parts f on f.version_id = p.version_id and f.series_id = coalesce(s.weeks_of, p.series_id) and f.cutoff = p.cutoff and p.parts is not null
  join analytics.observation_edits e on e.series_id = any(coalesce(f.parts, array[coalesce(s.weeks_of, p.series_id)]))
 where p.prediction_id = :prediction_id and e.decided_at > p.issued_at
   and e.first_at <= greatest(p.cutoff, p.target_at) and e.last_at >= coalesce(least(v.trained_from, p.cutoff), p.cutoff)
 order by e.edit_id

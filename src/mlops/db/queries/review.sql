-- The weekly review: what one page shows of all models.

-- name: review_champions
-- the champion of each model as known at :as_of, with its newest recommendation and since when that action stands without a break, and
-- the version that it, a seasonal naive, stands in for
-- (when every alias of a model is younger than the review, :clock, the past is being replayed: then an alias moved when the newest
-- version that was there by then had been trained, by the time that the training itself calls now)
with entries as (
    select a.model_id, a.version_id, a.valid_from, a.valid_to, v.deleted_at, own.since, own.until,
           min(a.valid_from) over (partition by a.model_id) > :clock as replayed
      from analytics.model_aliases a
      join analytics.model_versions v using (version_id)
     cross join lateral (
           select greatest(v.as_of, max(w.as_of) filter (where w.created_at <= a.valid_from)) as since,
                  max(w.as_of) filter (where w.created_at <= a.valid_to) as until
             from analytics.model_versions w where w.model_id = a.model_id) own
     where a.alias = 'champion'
), moves as (
    select *, case when replayed then coalesce(since, valid_from) else valid_from end as moved_at,
           case when replayed then coalesce(until, valid_to) else valid_to end as closed_at
      from entries
), champions as (
    select distinct on (m.model_id) m.model_id, m.version_id, m.replayed, m.moved_at
      from moves m join analytics.registered_models r using (model_id)
     where m.moved_at <= :as_of and coalesce(m.closed_at > :as_of, true)
       and (r.deleted_at is null or (not m.replayed and r.deleted_at > :as_of))
       and (m.deleted_at is null or not m.replayed)
     order by m.model_id, m.valid_from desc
)
select c.model_id, c.version_id, c.replayed, c.moved_at as champion_since,
       v.name, v.version, v.kind, v.as_of as known_at, v.trained_from, v.trained_to, case when v.lineage_state = 'incomplete' then v.lineage_problem end as lineage_problem,
       v.lineage -> 'selection' ->> 'granularity' as granularity, t.name as metric_type, t.unit, t.aggregate,
       jsonb_array_length(v.lineage -> 'series') as series,
       b.of as promised_of, (v.metrics ->> ('wape' || b.suffix))::float8 as wape, (v.metrics ->> ('wape_naive' || b.suffix))::float8 as wape_naive,
       (v.metrics ->> ('coverage_80' || b.suffix))::float8 as coverage_80, (v.metrics ->> ('coverage_95' || b.suffix))::float8 as coverage_95,
       n.recommendation_id, n.action, n.reasons, n.as_of as checked_at, n.onset_at as onset, n.expected_benefit, n.cost, n.horizon_weeks, n.expires_at,
       s.since, f.version as stands_in_for, d.decision, d.decided_by, d.decided_at, d.reason as decision_reason, d.until as decision_until,
       (select count(*) from analytics.model_performance_tracking f where f.version_id = c.version_id and f.as_of = n.as_of) as checked,
       case when (case when c.replayed then coalesce(w.as_of, n.as_of) else n.decided_at end) <= :as_of then n.verdict end as verdict
  from champions c
  join analytics.model_versions v using (version_id)
 cross join lateral (select case when v.metrics ? 'wape_freshest' then '_freshest' else '' end as suffix,
                            case when v.metrics ? 'wape_freshest' then 'freshest' else 'all' end as of) b
  left join analytics.metric_types t on t.name = v.lineage -> 'selection' ->> 'metric_type'
  left join lateral (
      select * from analytics.retraining_recommendations r
       where r.version_id = c.version_id and r.as_of <= :as_of and r.replaced_by is null order by r.as_of desc limit 1) n on true
  left join analytics.model_versions w on w.version_id = n.retrained_version_id
  left join lateral (
      select min(r.as_of) as since from analytics.retraining_recommendations r
       where r.version_id = c.version_id and r.as_of <= n.as_of and n.action <> 'none' and r.replaced_by is null
         and r.as_of > coalesce((select max(other.as_of) from analytics.retraining_recommendations other
                                  where other.version_id = c.version_id and other.as_of < n.as_of and other.action <> n.action and other.replaced_by is null),
                                '-infinity')) s on true
  left join lateral (  -- the newest decision that was known
      select x.decision, x.decided_by, x.reason, x.until, case when c.replayed then n.as_of else x.decided_at end as decided_at
        from analytics.recommendation_decisions x
       where x.recommendation_id = n.recommendation_id and (c.replayed or x.decided_at <= :as_of)
       order by x.decision_id desc limit 1) d on true
  left join lateral (
      select o.version
        from analytics.promotions p
        join analytics.retraining_recommendations q using (recommendation_id)
        join analytics.model_versions o on o.version_id = p.from_version_id
       where p.version_id = c.version_id and p.alias = 'champion' and p.applied_at is not null and q.action = 'fallback'
       order by p.promotion_id desc limit 1) f on true
 order by v.name

-- name: review_versions
-- the versions of models that were known at :as_of, the newest first
select model_id, version, kind, as_of as known_at, trained_from, trained_to, created_at as registered_at,
       (metrics ->> 'wape')::float8 as wape
  from analytics.model_versions
 where model_id = any(:model_ids)
   and case when model_id = any(:replayed) then coalesce(as_of, created_at) else created_at end <= :as_of
   and (deleted_at is null or (not model_id = any(:replayed) and deleted_at > :as_of))
 order by model_id, version desc

-- name: review_aliases
-- where the aliases of models pointed, as known at :as_of, the newest first; a null `until` means still (times as in review_champions)
with moves as (
    select a.model_id, a.alias, a.version_id, v.version, a.valid_from,
           case when a.model_id = any(:replayed) then coalesce(own.since, a.valid_from) else a.valid_from end as moved_at,
           case when a.model_id = any(:replayed) then coalesce(own.until, a.valid_to) else a.valid_to end as closed_at
      from analytics.model_aliases a
      join analytics.model_versions v using (version_id)
     cross join lateral (
           select greatest(v.as_of, max(w.as_of) filter (where w.created_at <= a.valid_from)) as since,
                  max(w.as_of) filter (where w.created_at <= a.valid_to) as until
             from analytics.model_versions w where w.model_id = a.model_id) own
     where a.model_id = any(:model_ids)
)
select model_id, alias, version_id, version, lag(version) over (partition by model_id, alias order by valid_from) as before,
       moved_at, case when closed_at <= :as_of then closed_at end as until
  from moves where moved_at <= :as_of
 order by model_id, moved_at desc, valid_from desc

-- name: review_newest_checks
-- the newest check of versions as known at :as_of: whether it judged, what it measured, and how a challenger compared with the champion
select distinct on (version_id) version_id, as_of, state, problem, measured, compared_with, comparison
  from analytics.model_checks
 where version_id = any(:version_ids) and as_of <= :as_of
 order by version_id, as_of desc

-- name: review_findings
-- what drifted in the newest check of versions, the worst first; a finding about a series says which one
select f.version_id, f.kind, f.subject, f.slice, f.statistic, f.threshold, f.drifted, f.detail, f.change, s.series_id,
       case when s.series_id is not null then analytics.series_name(s) end as place
  from (select r.version_id, max(r.as_of) as as_of from analytics.retraining_recommendations r
         where r.version_id = any(:version_ids) and r.as_of <= :as_of and r.replaced_by is null group by r.version_id) newest
  join analytics.model_performance_tracking f using (version_id, as_of)
  left join analytics.series s on f.kind in ('data', 'serving') and s.series_id::text = f.subject
 where f.drifted
 order by f.version_id, f.statistic / nullif(f.threshold, 0) desc nulls last, f.kind, f.subject, f.slice

-- name: review_accuracy
-- how good the freshest forecasts of versions for the last 7 days and for the recent days of their granularity (28 of days) were, and the
-- seasonal naive from the same cutoffs
select * from analytics.forecast_accuracy(cast(:version_ids as bigint[]), :as_of)

-- name: review_waiting
-- by version, how many forecasts are past, and how many of those have no outcome yet
select version_id, count(*) as due, count(*) filter (where waits) as forecasts, count(distinct series_id) filter (where waits) as series,
       min(target_at) filter (where waits) as oldest
  from (select version_id, series_id, target_at, coalesce(outcome_recorded_at > :as_of, true) as waits
          from analytics.model_prediction_results
         where version_id = any(:version_ids) and parts is null and issued_at <= :as_of and target_at < :as_of) p
 group by version_id

-- name: review_challengers
-- how good challengers were beside their champions over the recent days of their granularity (28 of days): the freshest forecasts of both
-- for the same series and times
with pairs as (
    select p.champion, p.challenger, coalesce(g.recent_days, 28) as days
      from unnest(cast(:champions as bigint[]), cast(:challengers as bigint[])) as p (champion, challenger)
      join analytics.model_versions v on v.version_id = p.champion
      left join analytics.granularities g on g.name = v.lineage -> 'selection' ->> 'granularity'
), freshest as materialized (
    select distinct on (version_id, series_id, target_at) version_id, series_id, target_at, y_hat,
           case when outcome_recorded_at <= :as_of then outcome end as outcome
      from (select champion as version_id, days from pairs union select challenger, days from pairs) asked
      join analytics.model_prediction_results using (version_id)
     where issued_at <= :as_of and parts is null
       and target_at >= :as_of - make_interval(days => (select max(days) from pairs)) and target_at >= :as_of - make_interval(days => days)
       and target_at < :as_of
     order by version_id, series_id, target_at, cutoff desc
)
select p.challenger as version_id, count(*) as forecasts,
       sum(abs(b.y_hat - b.outcome)) / nullif(sum(abs(b.outcome)), 0) as wape,
       sum(abs(a.y_hat - a.outcome)) / nullif(sum(abs(a.outcome)), 0) as wape_champion
  from pairs p
  join freshest a on a.version_id = p.champion
  join freshest b on b.version_id = p.challenger and b.series_id = a.series_id and b.target_at = a.target_at
 where a.outcome is not null and b.outcome is not null
 group by p.challenger

-- name: review_impact
-- by model, the units that its freshest forecasts were short of the outcome and over it: in the last 7 days, and in so many weeks
with asked as (
    select m.model_id, c.recent_days / 7 as weeks
      from unnest(cast(:model_ids as bigint[]), cast(:granularities as text[])) as m (model_id, granularity)
      join analytics.granularities c on c.name = m.granularity
), freshest as (
    select distinct on (p.series_id, p.target_at, a.model_id) a.model_id, a.weeks, p.target_at, p.outcome - p.y_hat as short
      from asked a
      join analytics.model_versions v using (model_id)
      join analytics.model_prediction_results p on p.version_id = v.version_id
      join (select version_id, min(valid_from) as since, max(coalesce(valid_to, 'infinity')) as until, min(min(valid_from)) over (partition by model_id) as first
              from analytics.model_aliases where alias = 'champion' group by model_id, version_id) c on c.version_id = p.version_id  -- what a challenger forecasts is nobody's plan
     where p.parts is null and p.outcome_recorded_at <= :as_of and p.issued_at <= :as_of
       and p.target_at >= :as_of - make_interval(weeks => a.weeks) and p.target_at >= :as_of - make_interval(weeks => (select max(weeks) from asked)) and p.target_at < :as_of
       and (c.since <= :as_of or c.first > :as_of)  -- younger than the review are they all when the past is replayed
     order by p.series_id, p.target_at, a.model_id, p.cutoff desc, p.issued_at >= c.since and p.issued_at < c.until desc, p.version_id desc
)
select model_id, least(weeks, greatest(1, ceil(date_part('epoch', :as_of - min(target_at)) / 604800)))::int as weeks,
       coalesce(sum(greatest(short, 0))  filter (where target_at >= :as_of - interval '7 days'), 0) as week_under,
       coalesce(sum(greatest(-short, 0)) filter (where target_at >= :as_of - interval '7 days'), 0) as week_over,
       sum(greatest(short, 0)) as units_under, sum(greatest(-short, 0)) as units_over
  from freshest group by model_id, weeks

-- name: review_checks
-- by model and week, the newest check of any version: what it found, what it recommended, and what came of it
with checks as (
    select v.model_id, r.version_id, v.version, r.as_of, r.action, f.checked, f.drifted,
           date_trunc('week', r.as_of - interval '84 hours', 'UTC') as week,  -- the middle of the seven days that were checked
           case when v.model_id = any(:replayed) then coalesce(n.as_of, r.as_of) else r.decided_at end as retrained_at, r.verdict
      from analytics.retraining_recommendations r
      join analytics.model_versions v using (version_id)
      left join analytics.model_versions n on n.version_id = r.retrained_version_id
     cross join lateral (
           select count(*) as checked, count(*) filter (where t.drifted) as drifted
             from analytics.model_performance_tracking t where t.version_id = r.version_id and t.as_of = r.as_of) f
     where v.model_id = any(:model_ids) and r.as_of <= :as_of and r.replaced_by is null
), judged as (
    select *, drifted > 0 and lag(drifted, 1, 0::bigint) over (partition by version_id order by as_of) = 0 as onset,
           string_agg(verdict, '; ') filter (where retrained_at <= :as_of)
               over (partition by model_id, week order by as_of, version rows between unbounded preceding and unbounded following) as verdicts,
           max(retrained_at) filter (where retrained_at <= :as_of) over (partition by model_id, week) as newest_retraining
      from checks
)
select distinct on (model_id, week) model_id, week, version, as_of as checked_at, action, checked, drifted,
       bool_or(onset) over (partition by model_id, week) as onset, verdicts as verdict, newest_retraining as retrained_at
  from judged order by model_id, week, as_of desc, version desc

-- name: weekly_accuracy
-- by week of the target, the freshest forecast of whichever version was served: its error, and that of the seasonal naive from the same cutoff
with judged as (
    select distinct on (p.series_id, p.target_at) date_trunc('week', p.target_at, 'UTC') as week, p.outcome, p.y_hat, p.lo_80, p.hi_80, p.lo_95, p.hi_95, n.value as naive
      from analytics.model_prediction_results p
      join analytics.model_versions v using (version_id)
      join (select version_id, min(valid_from) as since, max(coalesce(valid_to, 'infinity')) as until, min(min(valid_from)) over (partition by model_id) as first
              from analytics.model_aliases where alias = 'champion' group by model_id, version_id) c using (version_id)  -- what a challenger forecasts is nobody's plan
      left join analytics.time_series_metrics n
        on n.series_id = p.series_id
       and n.observed_at = p.target_at - cast(:cycle as interval) * ceil(p.horizon / cast(:steps as float8))
     where v.name = :name and p.parts is null and p.outcome_recorded_at <= :as_of and p.target_at < :as_of and p.issued_at <= :as_of
       and (c.since <= :as_of or c.first > :as_of)  -- younger than the review are they all when the past is replayed
     order by p.series_id, p.target_at, p.cutoff desc, p.issued_at >= c.since and p.issued_at < c.until desc, p.version_id desc
)
select week, count(*) as forecasts, sum(abs(outcome)) as size,
       sum(abs(y_hat - outcome)) / nullif(sum(abs(outcome)), 0) as wape,
       sum(abs(naive - outcome)) / nullif(sum(abs(outcome)) filter (where naive is not null), 0) as wape_naive,
       avg((outcome between lo_80 and hi_80)::int)::float8 as coverage_80,
       avg((outcome between lo_95 and hi_95)::int)::float8 as coverage_95
  from judged group by week order by week

-- name: review_largest
-- the four series of a model with the largest outcomes, day by day: the freshest forecast with its intervals against the outcome
with freshest as (
    select distinct on (p.series_id, p.target_at) p.series_id, p.target_at, p.y_hat, p.lo_80, p.hi_80, p.lo_95, p.hi_95,
           case when p.outcome_recorded_at <= :as_of then p.outcome end as outcome
      from analytics.model_prediction_results p
      join analytics.model_versions v using (version_id)
      join (select version_id, min(valid_from) as since, max(coalesce(valid_to, 'infinity')) as until, min(min(valid_from)) over (partition by model_id) as first
              from analytics.model_aliases where alias = 'champion' group by model_id, version_id) c using (version_id)  -- what a challenger forecasts is nobody's plan
     where v.model_id = :model_id and p.parts is null and p.issued_at <= :as_of and p.target_at >= :start and p.target_at < :as_of
       and (c.since <= :as_of or c.first > :as_of)  -- younger than the review are they all when the past is replayed
     order by p.series_id, p.target_at, p.cutoff desc, p.issued_at >= c.since and p.issued_at < c.until desc, p.version_id desc
), largest as (
    select series_id, sum(abs(outcome)) as size, count(outcome) as forecasts,
           sum(abs(y_hat - outcome)) / nullif(sum(abs(outcome)), 0) as wape,
           avg((outcome between lo_80 and hi_80)::int)::float8 as coverage_80,
           avg((outcome between lo_95 and hi_95)::int)::float8 as coverage_95
      from freshest group by series_id order by size desc nulls last, series_id limit 4
)
select l.series_id, l.forecasts, l.wape, l.coverage_80, l.coverage_95,
       analytics.series_name(s) as place,
       f.target_at as ds, f.outcome, f.y_hat, f.lo_80, f.hi_80, f.lo_95, f.hi_95
  from freshest f join largest l using (series_id) join analytics.series s using (series_id)
 order by l.size desc nulls last, l.series_id, f.target_at

-- name: review_totals
-- day by day over all series, the freshest forecast of a model against the outcome: summed, or averaged where a sum means nothing;
-- without the days on which fewer than four in five outcomes are known, and without what is a part of another of them
with freshest as (
    select distinct on (p.series_id, p.target_at) p.series_id, p.target_at, p.y_hat, case when p.outcome_recorded_at <= :as_of then p.outcome end as outcome
      from analytics.model_prediction_results p
      join analytics.model_versions v using (version_id)
      join (select version_id, min(valid_from) as since, max(coalesce(valid_to, 'infinity')) as until, min(min(valid_from)) over (partition by model_id) as first
              from analytics.model_aliases where alias = 'champion' group by model_id, version_id) c using (version_id)  -- what a challenger forecasts is nobody's plan
     where v.model_id = :model_id and p.parts is null and p.issued_at <= :as_of and p.target_at >= :start and p.target_at < :as_of
       and (c.since <= :as_of or c.first > :as_of)  -- younger than the review are they all when the past is replayed
     order by p.series_id, p.target_at, p.cutoff desc, p.issued_at >= c.since and p.issued_at < c.until desc, p.version_id desc
)
select target_at as ds,
       case when :summed then sum(outcome) else avg(outcome) end as outcome,
       case when :summed then sum(y_hat) filter (where outcome is not null) else avg(y_hat) filter (where outcome is not null) end as y_hat
  from freshest
 where (series_id, target_at) not in (select p.part_id, w.target_at from analytics.series_parts p join freshest w on w.series_id = p.whole_id)
 group by target_at having count(outcome) >= 0.8 * count(*) order by target_at

-- name: review_alarms
-- alarms of models that began after :since: unbroken runs of weekly checks that found drift and said so, and what became of each
with checks as (
    select v.model_id, v.name as model, r.recommendation_id, r.as_of, r.action, v.model_id = any(:replayed) as replayed,
           v.model_id = any(:replayed) or r.decided_at <= :as_of as known, r.status = 'done' as done,
           r.action <> 'none' and exists (select from analytics.model_performance_tracking f
                                           where f.version_id = r.version_id and f.as_of = r.as_of and f.drifted and f.kind <> 'serving') as alarm
      from analytics.retraining_recommendations r join analytics.model_versions v using (version_id)
     where v.model_id = any(:model_ids) and r.as_of <= :as_of and r.replaced_by is null
), runs as (
    select *, count(*) filter (where not alarm) over (partition by model_id order by as_of, recommendation_id) as run,
           max(as_of) over (partition by model_id) as newest
      from checks
), judged as (
    select r.*, d.decision,
           exists (select from analytics.promotions p where p.recommendation_id = r.recommendation_id and p.applied_at is not null
                                                         and (r.replayed or p.decided_at <= :as_of)) as promoted
      from runs r
      left join lateral (select x.decision from analytics.recommendation_decisions x
                          where x.recommendation_id = r.recommendation_id and (r.replayed or x.decided_at <= :as_of)
                          order by x.decision_id desc limit 1) d on true
     where r.alarm
)
select model, min(as_of) as began, max(as_of) as last, count(*) as checks, max(as_of) < newest as over,
       bool_or(action in ('rollback', 'retrain', 'fallback', 'investigate_data')) as called,
       bool_or(promoted) as promoted,
       coalesce(bool_or(decision = 'accept' and not coalesce(done and known, false)), false) as accepted,
       coalesce((array_agg(decision order by as_of desc) filter (where decision is not null))[1] = 'dismiss', false) as dismissed
  from judged group by model_id, model, run, newest having min(as_of) > :since
 order by began desc, model

-- name: review_decisions
-- what was decided about recommendations after :since and by :as_of, the newest first (in a replay of the past, when they were made)
select v.name as model, v.version, r.recommendation_id, r.action, d.decision, d.decided_by, d.reason, d.until, d.at as decided_at, r.verdict
  from analytics.retraining_recommendations r
  join analytics.model_versions v using (version_id)
 cross join lateral (select x.*, case when v.model_id = any(:replayed) then r.as_of else x.decided_at end as at
                       from analytics.recommendation_decisions x where x.recommendation_id = r.recommendation_id) d
 where d.at > :since and d.at <= :as_of and r.as_of <= :as_of
 order by d.at desc, d.decision_id desc

-- name: review_realised_benefits
-- what acting saved where that was measured after :since and by :as_of, beside what was promised; the newest first
select v.name as model, r.recommendation_id, r.action, v.version as replaced, n.version, r.realised_at, r.expected_benefit as promised, r.realised_benefit as realised
  from analytics.retraining_recommendations r
  join analytics.model_versions v using (version_id)
  left join analytics.model_versions n on n.version_id = r.retrained_version_id
 where r.realised_at > :since and r.realised_at <= :as_of and r.expected_benefit is not null
 order by r.realised_at desc, r.recommendation_id desc

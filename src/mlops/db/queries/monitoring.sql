-- The weekly check of what is served, and what it found.

-- name: served_versions
-- the versions that are served at :as_of, with what they were trained on and the champion of their model: every champion, and
-- versions behind another alias that forecast; one with several aliases is listed once, as champion before challenger before others
with aliased as (
    select distinct on (a.version_id) a.version_id, a.model_id, a.alias, a.valid_from as alias_since
      from analytics.model_aliases a
     where a.valid_to is null
     order by a.version_id, a.alias <> 'champion', a.alias <> 'challenger', a.alias
)
select v.version_id, v.name, v.version, v.run_id, coalesce(v.lineage, '{}') as lineage, v.as_of, v.trained_to, a.alias, a.alias_since,
       c.version_id as champion_id, t.unit
  from aliased a
  join analytics.model_versions v using (version_id)
  left join analytics.granularities g on g.name = v.lineage -> 'selection' ->> 'granularity'
  left join analytics.metric_types t on t.name = v.lineage -> 'selection' ->> 'metric_type'
  left join analytics.model_aliases c on c.model_id = a.model_id and c.alias = 'champion' and c.valid_to is null
 where v.deleted_at is null and coalesce(v.as_of <= :as_of, true)
   and (a.alias = 'champion'
        or exists (select from analytics.model_prediction_results p
                    where p.version_id = v.version_id and p.issued_at <= :as_of
                      and p.target_at >= cast(:as_of as timestamptz)
                          - make_interval(days => coalesce(g.recent_days, 28))))
 order by v.name, a.alias <> 'champion', a.alias <> 'challenger', a.alias

-- name: set_health_policy
-- updates the weights and limits of the parts of health, where they differ
update analytics.health_policy p set weight = n.weight, good = n.good, bad = n.bad
  from jsonb_to_recordset(cast(:document as jsonb) -> 'parts') as n (part text, weight float8, good float8, bad float8)
 where n.part = p.part and (p.weight, p.good, p.bad) is distinct from (n.weight, n.good, n.bad)

-- name: is_newer_check_there
-- whether anything has been checked for a later time than :as_of
select exists (select from analytics.model_checks where as_of > :as_of)
    or exists (select from analytics.retraining_recommendations where as_of > :as_of)

-- name: proof_made_within
-- whether challengers of a version were fitted to prove an expected benefit in the :days days before :as_of
select exists (select from analytics.retraining_recommendations
                where version_id = :version_id and as_of < :as_of and as_of > cast(:as_of as timestamptz) - make_interval(days => :days)
                  and evidence ? 'challenged')

-- name: add_check
-- records the check of a version for one week: as which alias, and what was measured; a later check of the same week replaces it
insert into analytics.model_checks as c (version_id, as_of, alias, state, problem, measured, compared_with, comparison)
values (:version_id, :as_of, :alias, :state, :problem, :measured, cast(:compared_with as bigint), cast(:comparison as jsonb))
    on conflict (version_id, as_of) do update
       set alias = excluded.alias, state = excluded.state, problem = excluded.problem, measured = excluded.measured,
           compared_with = excluded.compared_with, comparison = excluded.comparison, checked_at = excluded.checked_at
     where (c.alias, c.state, c.problem, c.measured, c.compared_with, c.comparison)
           is distinct from (excluded.alias, excluded.state, excluded.problem, excluded.measured, excluded.compared_with, excluded.comparison)

-- name: add_findings
-- records the findings of one check; those of a later check of the same week replace them
insert into analytics.model_performance_tracking as t
       (version_id, as_of, window_start, window_end, kind, subject, slice, statistic, threshold, drifted, detail, change)
select :version_id, :as_of, :window_start, :window_end, kind, subject, slice, nullif(statistic, 'NaN'), nullif(threshold, 'NaN'), drifted, detail, nullif(change, 'null')
  from unnest(cast(:kinds as text[]), cast(:subjects as text[]), cast(:slices as text[]), cast(:statistics as float8[]),
              cast(:thresholds as float8[]), cast(:drifted as boolean[]), cast(:details as text[]),
              cast(:changes as jsonb[]))
       as f (kind, subject, slice, statistic, threshold, drifted, detail, change)
    on conflict (version_id, as_of, kind, subject, slice) do update
       set statistic = excluded.statistic, threshold = excluded.threshold, drifted = excluded.drifted, detail = excluded.detail,
           change = excluded.change
     where (t.statistic, t.threshold, t.drifted, t.detail, t.change)
           is distinct from (excluded.statistic, excluded.threshold, excluded.drifted, excluded.detail, excluded.change)

-- name: withdraw_findings
-- marks findings that the newest check of a week did not confirm as no longer true; they are kept
update analytics.model_performance_tracking t
   set drifted = false, detail = 'no longer so: ' || t.detail
 where t.version_id = :version_id and t.as_of = :as_of and t.drifted
   and not exists (select from unnest(cast(:kinds as text[]), cast(:subjects as text[]), cast(:slices as text[])) n (kind, subject, slice)
                    where (n.kind, n.subject, n.slice) = (t.kind, t.subject, t.slice))

-- name: add_snapshot
-- stores the Evidently snapshot of one week's newest check
insert into analytics.evidently_snapshots (version_id, as_of, snapshot) values (:version_id, :as_of, cast(:snapshot as jsonb))
    on conflict (version_id, as_of) do update set snapshot = excluded.snapshot

-- name: evidently_snapshot
-- the Evidently snapshot of one check, as text
select snapshot::text from analytics.evidently_snapshots where version_id = :version_id and as_of = :as_of

-- name: evidently_checks
-- every check with its Evidently snapshot, as known at :as_of: drifted findings by kind, the error that the backtest promised, and the
-- health of versions that are still champion
with checks as (
    select version_id, as_of, snapshot from analytics.evidently_snapshots where as_of <= :as_of
), healthy as (
    select t.as_of, h.version_id, max(h.score) as score
      from (select distinct as_of from checks) t cross join lateral analytics.health_of_models(t.as_of) h
     group by t.as_of, h.version_id
)
select v.model_id, v.version_id, v.name, v.version, coalesce(k.alias, 'champion') as alias, c.as_of, c.snapshot::text as snapshot, h.score as health,
       case when jsonb_typeof(v.metrics -> 'wape') = 'number' then (v.metrics ->> 'wape')::float8 end as promised_wape,
       (select jsonb_object_agg(kind, drifted)
          from (select kind, count(*) filter (where drifted) as drifted
                  from analytics.model_performance_tracking t
                 where t.version_id = c.version_id and t.as_of = c.as_of group by kind) k) as drifted
  from checks c
  join analytics.model_versions v using (version_id)
  left join analytics.model_checks k on k.version_id = c.version_id and k.as_of = c.as_of
  left join healthy h on h.version_id = c.version_id and h.as_of = c.as_of
 order by v.model_id, c.as_of, v.version

-- name: model_health
-- the health of every champion, and of every challenger that forecasts, as known at :as_of, the worst first
select h.name, h.version, h.alias, h.score, h.status, h.weakest, h.weakest_words, h.parts, h.as_of, h.forecasts, h.labelled,
       h.wape, h.wape_promised, h.coverage_80, h.labelled_until, h.forecast_until, h.checked_at
  from analytics.health_of_models(cast(:as_of as timestamptz)) h
 order by h.score nulls first, h.name, h.alias

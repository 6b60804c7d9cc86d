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
       n.challenger, n.evidence, s.since, f.version as stands_in_for, d.decision, d.decided_by, d.decided_at, d.reason as decision_reason, d.until as decision_until,
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

-- What a check recommends, what was decided about it, and what came of it.

-- name: recommendation_of_week
-- the current recommendation of a version for one week
select recommendation_id, action, reasons, rule_version, status
  from analytics.retraining_recommendations
 where version_id = :version_id and as_of = :as_of and replaced_by is null

-- name: replace_recommendation
-- marks a recommendation as replaced; the number of the one that replaces it
update analytics.retraining_recommendations
   set status = 'superseded',
       replaced_by = nextval(pg_get_serial_sequence('analytics.retraining_recommendations', 'recommendation_id'))
 where recommendation_id = :recommendation_id
returning replaced_by

-- name: add_recommendation
-- records the recommendation of one week and supersedes older open ones of the version; it is itself superseded by a newer one
with closed as (
    update analytics.retraining_recommendations set status = 'superseded'
     where version_id = :version_id and as_of < :as_of and status = 'open'
)
insert into analytics.retraining_recommendations
       (recommendation_id, version_id, as_of, action, reasons, evidence, rule_version, status, cause, severity, challenger, rollback_version_id,
        onset_at, expected_benefit, cost, horizon_weeks, expires_at, held_by)
overriding system value
select coalesce(cast(:recommendation_id as bigint), nextval(pg_get_serial_sequence('analytics.retraining_recommendations', 'recommendation_id'))),
       :version_id, :as_of, :action, :reasons, :evidence, :rule_version,
       case when exists (select from analytics.retraining_recommendations n where n.version_id = :version_id and n.as_of > :as_of)
            then 'superseded' else 'open' end,
       :cause, :severity, :challenger,
       (select p.version_id from analytics.model_versions v join analytics.model_versions p using (model_id)
         where v.version_id = :version_id and p.version = cast(:predecessor as int) and p.deleted_at is null),
       :onset_at, cast(:expected_benefit as jsonb), :cost, :horizon_weeks, :expires_at, :held_by
returning recommendation_id

-- name: link_findings
-- links the recommendation of one week to the findings that it is based on
insert into analytics.recommendation_findings (recommendation_id, finding_id)
select r.recommendation_id, f.finding_id
  from analytics.retraining_recommendations r
  join analytics.model_performance_tracking f using (version_id, as_of)
 where r.version_id = :version_id and r.as_of = :as_of and f.drifted
    on conflict do nothing

-- name: recommendation_stands_since
-- the first of the consecutive checks that recommended the same action for the same cause
with mine as (
    select version_id, as_of, action, cause from analytics.retraining_recommendations where recommendation_id = :recommendation_id
)
select min(r.as_of)
  from mine m join analytics.retraining_recommendations r using (version_id)
 where r.as_of <= m.as_of and r.replaced_by is null
   and r.as_of > coalesce((select max(o.as_of) from analytics.retraining_recommendations o
                            where o.version_id = m.version_id and o.as_of < m.as_of and o.replaced_by is null
                              and (o.action, o.cause) is distinct from (m.action, m.cause)), '-infinity')

-- name: decisions_in_force
-- recommendations about a version that were dismissed or snoozed until after :as_of, each by its newest decision
select r.recommendation_id, r.action, coalesce(r.cause, '{}') as cause, coalesce(r.severity, 0) as severity, (r.expected_benefit ->> 'money')::float8 as money,
       d.decision, d.decided_by, d.reason, coalesce(d.until, r.expires_at) as until
  from analytics.retraining_recommendations r
 cross join lateral (select * from analytics.recommendation_decisions n
                      where n.recommendation_id = r.recommendation_id order by n.decision_id desc limit 1) d
 where r.version_id = :version_id and r.as_of <= :as_of and d.decision in ('dismiss', 'snooze') and coalesce(d.until, r.expires_at) > :as_of
 order by r.recommendation_id desc

-- name: close_recommendations_of_replaced
-- supersedes recommendations about versions that are no longer champion, except where an interrupted promotion is to be finished
update analytics.retraining_recommendations r
   set status = 'superseded'
 where r.status in ('open', 'accepted', 'snoozed')
   and not exists (select from analytics.model_aliases a where a.version_id = r.version_id and a.alias = 'champion' and a.valid_to is null)
   and not exists (select from analytics.promotions p where p.recommendation_id = r.recommendation_id)

-- name: recommendations
-- recommendations, the newest first: those that wait for a decision, or with :everything all of them
select r.recommendation_id, v.name, v.version, r.as_of, r.action, r.status, r.reasons, r.expected_benefit, r.cost, r.horizon_weeks, r.onset_at,
       r.expires_at, r.verdict, r.realised_benefit, r.realised_at, d.decision, d.decided_by, d.reason, d.until, d.decided_at
  from analytics.retraining_recommendations r
  join analytics.model_versions v using (version_id)
  left join lateral (select * from analytics.recommendation_decisions x
                      where x.recommendation_id = r.recommendation_id order by x.decision_id desc limit 1) d on true
 where :everything or (r.action <> 'none' and r.status in ('open', 'accepted', 'snoozed'))
 order by r.as_of desc, r.recommendation_id desc

-- name: recommendation
-- one recommendation with its version, the rollback target, what became of it, and its newest decision
select r.recommendation_id, r.as_of, r.action, r.reasons, r.evidence, r.rule_version, r.cause, r.severity, r.status, r.verdict, r.retrained_version_id,
       r.challenger, r.onset_at, r.expected_benefit, r.cost, r.horizon_weeks, r.expires_at, r.held_by, r.replaced_by,
       r.realised_benefit, r.realised_at, r.created_at, r.decided_at as done_at,
       v.version_id, v.name, v.version, v.kind, v.run_id, v.lineage, v.deleted_at,
       b.version as rollback_version, b.lineage as rollback_lineage, n.version as retrained_version,
       exists (select from analytics.promotions p where p.recommendation_id = r.recommendation_id) as promoted,
       exists (select from analytics.promotions p where p.recommendation_id = r.recommendation_id and p.applied_at is not null) as applied,
       d.decision, d.decided_by, d.reason, d.until, d.decided_at,
       (select min(s.recommendation_id) from analytics.retraining_recommendations s
         where s.version_id = r.version_id and s.status in ('open', 'accepted') and s.action <> 'none' and s.as_of >= r.as_of) as stands
  from analytics.retraining_recommendations r
  join analytics.model_versions v using (version_id)
  left join analytics.model_versions b on b.version_id = r.rollback_version_id
  left join analytics.model_versions n on n.version_id = r.retrained_version_id
  left join lateral (select * from analytics.recommendation_decisions x
                      where x.recommendation_id = r.recommendation_id order by x.decision_id desc limit 1) d on true
 where r.recommendation_id = :recommendation_id

-- name: findings_of_recommendation
-- the findings that a recommendation is based on, the clearest first
select t.kind, t.subject, t.slice, t.statistic, t.threshold, t.drifted, t.detail, t.change,
       case when s.series_id is not null then analytics.series_name(s) end as place
  from analytics.recommendation_findings l join analytics.model_performance_tracking t using (finding_id)
  left join analytics.series s on t.kind in ('data', 'serving') and s.series_id::text = t.subject
 where l.recommendation_id = :recommendation_id
 order by t.statistic / nullif(t.threshold, 0) desc nulls last, t.kind, t.subject

-- name: recommendation_decisions
-- everything that was decided about a recommendation, oldest first
select decision, decided_by, reason, until, decided_at
  from analytics.recommendation_decisions where recommendation_id = :recommendation_id order by decision_id

-- name: add_recommendation_decision
-- records a decision about a recommendation; a trigger of the table updates the recommendation's state
insert into analytics.recommendation_decisions (recommendation_id, decision, decided_by, reason, until)
values (:recommendation_id, :decision, :decided_by, :reason, :until)

-- name: recommendations_to_act_on
-- open or accepted recommendations of any action but none
select r.recommendation_id, v.name, v.version, r.as_of, r.action, r.reasons
  from analytics.retraining_recommendations r join analytics.model_versions v using (version_id)
 where r.status in ('open', 'accepted') and r.action <> 'none'
 order by r.as_of, r.recommendation_id

-- name: set_recommendation_done
-- records that a recommendation was carried out, and what came of it
update analytics.retraining_recommendations
   set status = 'done', decided_at = clock_timestamp(), verdict = :verdict, retrained_run_id = :run_id,
       retrained_version_id = (select version_id from analytics.model_versions
                                where name = :name and version = :version and deleted_at is null)
 where recommendation_id = :recommendation_id and status <> 'done' and replaced_by is null

-- name: benefits_to_realise
-- recommendations that were acted on long enough before :as_of to say what it saved: what was promised, the version that was served from
-- then on, until when it was, and the one that it replaced
-- (a promotion that was recorded after :as_of is of a replay of the past: then it counts from what was known for the decision)
with acted as (
    select r.recommendation_id, r.action, r.expected_benefit as promised, r.version_id, r.retrained_version_id,
           case when p.decided_at <= :as_of then p.decided_at else greatest(r.as_of, n.as_of) end as since, e.ended
      from analytics.retraining_recommendations r
      join analytics.promotions p using (recommendation_id)
      join analytics.model_versions n on n.version_id = r.retrained_version_id
      left join lateral (select case when q.decided_at <= :as_of then q.decided_at else coalesce(x.as_of, m.as_of) end as ended
                           from analytics.promotions q
                           join analytics.model_versions m on m.version_id = q.version_id
                           left join analytics.retraining_recommendations x on x.recommendation_id = q.recommendation_id
                          where q.model_id = p.model_id and q.alias = p.alias and q.promotion_id > p.promotion_id and q.applied_at is not null
                          order by q.promotion_id limit 1) e on true
     where r.status = 'done' and r.realised_at is null and r.expected_benefit is not null
       and p.applied_at is not null and p.version_id = r.retrained_version_id
)
select a.recommendation_id, a.action, a.promised, a.since, least(a.since + make_interval(weeks => :weeks), a.ended) as until,
       jsonb_build_object('version_id', n.version_id, 'name', n.name, 'version', n.version, 'lineage', n.lineage) as served,
       jsonb_build_object('version_id', o.version_id, 'name', o.name, 'version', o.version, 'lineage', o.lineage) as other
  from acted a
  join analytics.model_versions n on n.version_id = a.retrained_version_id
  join analytics.model_versions o on o.version_id = a.version_id
 where a.since + make_interval(weeks => :weeks) <= :as_of and n.deleted_at is null and o.deleted_at is null
 order by a.recommendation_id

-- name: set_realised_benefit
-- records, once, what acting on a recommendation saved
update analytics.retraining_recommendations set realised_benefit = :benefit, realised_at = :as_of
 where recommendation_id = :recommendation_id and status = 'done' and realised_at is null

-- name: realised_benefits
-- promised and realised benefit of recommendations about a model, in the order in which they were made
select * from analytics.realised_benefits where model = :name order by recommended_at, recommendation_id

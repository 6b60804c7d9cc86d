-- What was decided about models and observations, and what monitoring asked to be decided, as one list.

create view analytics.decisions with (security_invoker = true) as
select p.decided_at as at, null::timestamptz as as_of, 'promotion' as kind, p.action as what, v.name as model, v.version, p.version_id, f.version as from_version,
       p.alias, p.decided_by as who, p.reason as why,
       case when p.applied_at is null then 'not applied' when p.forced then 'forced' else 'applied' end as state,
       p.recommendation_id, p.promotion_id, null::bigint as edit_id, p.gates as evidence
  from analytics.promotions p
  join analytics.model_versions v using (version_id)
  left join analytics.model_versions f on f.version_id = p.from_version_id
union all
select r.created_at, r.as_of, 'recommendation', r.action, v.name, v.version, r.version_id, null, null, 'monitoring', array_to_string(r.reasons, '; '),
       r.status, r.recommendation_id, null, null, r.evidence
  from analytics.retraining_recommendations r
  join analytics.model_versions v using (version_id)
 where r.action <> 'none'
union all
select d.decided_at, r.as_of, 'answer', d.decision, v.name, v.version, r.version_id, null, null, d.decided_by, d.reason,
       case when d.until is not null then 'until ' || to_char(d.until at time zone 'UTC', 'YYYY-MM-DD') end, d.recommendation_id, null, null, null
  from analytics.recommendation_decisions d
  join analytics.retraining_recommendations r using (recommendation_id)
  join analytics.model_versions v using (version_id)
union all
select r.decided_at, r.as_of, 'acted on', r.action, v.name, coalesce(n.version, v.version), coalesce(r.retrained_version_id, r.version_id), v.version, null,
       null, coalesce(r.verdict, array_to_string(r.reasons, '; ')), r.status, r.recommendation_id, null, null, r.realised_benefit
  from analytics.retraining_recommendations r
  join analytics.model_versions v using (version_id)
  left join analytics.model_versions n on n.version_id = r.retrained_version_id
 where r.status = 'done'
union all
select a.valid_from, null, 'alias', 'moved', v.name, v.version, a.version_id, b.version, a.alias, null, 'moved in the registry, without a decision on record',
       case when a.valid_to is null then 'holds' end, null, null, null, null
  from analytics.alias_decisions a
  join analytics.model_versions v using (version_id)
  left join lateral (select w.version from analytics.model_aliases e join analytics.model_versions w using (version_id)
                      where e.model_id = a.model_id and e.alias = a.alias and e.valid_from < a.valid_from
                      order by e.valid_from desc limit 1) b on true
 where a.promotion_id is null and a.alias <> 'challenger'
union all
select min(e.decided_at), null, 'observations', e.action, null, null, null, null, null, e.decided_by, e.reason, e.known_at, null, null, e.edit_id,
       jsonb_build_object('series', count(*), 'observations', sum(e.observations), 'corrections', sum(e.corrections), 'outcomes', sum(e.outcomes),
                          'first', to_char(min(e.first_at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
                          'last', to_char(max(e.last_at) at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))
  from analytics.observation_edits e
 group by e.edit_id, e.action, e.decided_by, e.reason, e.known_at;

comment on view analytics.decisions is 'What was decided about models and observations, by whom and why, and what monitoring asked for, as one list: one row per decision, recommendation and answer. Weekly checks that asked for nothing are not in it.';
comment on column analytics.decisions.at                is 'When it was decided or recommended (instant).';
comment on column analytics.decisions.as_of             is 'Of a recommendation, its answers and what came of it: the check judged what was known by then.';
comment on column analytics.decisions.kind              is 'promotion: where an alias was to point; recommendation: what monitoring asked for; answer: what a person said to that; acted on: what came of it; alias: a move in the registry that nobody put on record (challenger, which every training moves, left out); observations: some were deleted or dated anew.';
comment on column analytics.decisions.what              is 'Of a promotion promote or rollback; of a recommendation and of acting on it watch, investigate_data, retrain, rollback or fallback; of an answer accept, dismiss or snooze; of an alias moved; of observations deleted or redated.';
comment on column analytics.decisions.model             is 'The registered model''s name now, or its last one; empty of observations.';
comment on column analytics.decisions.version           is 'The version that it is about: the promoted or newly trained one, or the one that was judged.';
comment on column analytics.decisions.version_id        is 'That version, of analytics.model_versions.';
comment on column analytics.decisions.from_version      is 'The version that was there before: where the alias pointed, or which was replaced.';
comment on column analytics.decisions.alias             is 'The alias that moved.';
comment on column analytics.decisions.who               is 'Who decided, or monitoring; empty where nobody is on record.';
comment on column analytics.decisions.why               is 'The reason that was given, the reasons of a recommendation, or the verdict on what was tried.';
comment on column analytics.decisions.state             is 'Of a promotion applied, forced (against a gate) or not applied; of a recommendation open, accepted, dismissed, snoozed, done or superseded; of a snooze until which day (UTC); of redated observations whether they count as known when they were observed or now; of an alias whether it holds.';
comment on column analytics.decisions.recommendation_id is 'The recommendation behind it, of analytics.retraining_recommendations.';
comment on column analytics.decisions.promotion_id      is 'Of analytics.promotions.';
comment on column analytics.decisions.edit_id           is 'Of analytics.observation_edits.';
comment on column analytics.decisions.evidence          is 'What it rests on, as JSON: the gates of a promotion, the proof of a recommendation, what acting saved, how many observations an edit concerned.';

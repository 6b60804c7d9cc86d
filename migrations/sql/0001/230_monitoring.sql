-- Drift findings, the Evidently snapshot that shows them, what to do about them, and what people decided.

create table analytics.model_performance_tracking (
    finding_id   bigint generated always as identity primary key,
    version_id   bigint      not null references analytics.model_versions,
    as_of        timestamptz not null,
    window_start timestamptz not null,
    window_end   timestamptz not null,
    kind         text        not null check (kind in ('feature', 'concept', 'performance', 'prediction', 'data', 'serving')),
    subject      text        not null default '',
    statistic    double precision,
    threshold    double precision,
    drifted      boolean     not null,
    detail       text        not null default '',
    created_at   timestamptz not null default now(),
    slice        text        not null default '',
    change       jsonb       check (jsonb_typeof(change) = 'object'),
    constraint model_performance_tracking_of_week unique (version_id, as_of, kind, subject, slice),
    check (window_start < window_end and window_end <= as_of)
);
comment on table analytics.model_performance_tracking is 'One row per version, window, kind of finding, subject (a feature, a series or nothing) and slice, drifted or not.';
comment on column analytics.model_performance_tracking.finding_id   is 'Numbers the findings.';
comment on column analytics.model_performance_tracking.version_id   is 'The judged version, of analytics.model_versions.';
comment on column analytics.model_performance_tracking.as_of        is 'The check judged what was known by then.';
comment on column analytics.model_performance_tracking.window_start is 'The first time of the judged window.';
comment on column analytics.model_performance_tracking.window_end   is 'The judged window lasts until before this time.';
comment on column analytics.model_performance_tracking.kind         is 'feature: P(X | calendar). concept: P(y | X). performance: the loss and the intervals. prediction: the forecasts themselves and the loss expected of them, for which no outcome is needed. data: what is broken or has stopped coming.';
comment on column analytics.model_performance_tracking.subject      is 'What was compared: a feature, an error, the data of a series, …';
comment on column analytics.model_performance_tracking.statistic    is 'The statistic; above threshold is drift. Empty where none could be computed.';
comment on column analytics.model_performance_tracking.threshold    is 'The limit of the statistic, from the model''s own backtest.';
comment on column analytics.model_performance_tracking.drifted      is 'Whether the statistic is beyond its limit.';
comment on column analytics.model_performance_tracking.detail       is 'What was found, in a sentence.';
comment on column analytics.model_performance_tracking.created_at   is 'When the finding was stored.';
comment on column analytics.model_performance_tracking.slice        is 'The part of the series that it is about, as route_type=urban; empty for all of them.';
comment on column analytics.model_performance_tracking.change       is 'What changed in its own unit, where a mean did: what, now, usual (of the same weekdays in the backtest), unit, days, since, ended, weeks (its weekly means, the newest last).';

create table analytics.evidently_snapshots (
    version_id bigint      not null references analytics.model_versions,
    as_of      timestamptz not null,
    snapshot   jsonb       not null,
    created_at timestamptz not null default now(),
    primary key (version_id, as_of)
);
comment on table analytics.evidently_snapshots is 'The Evidently snapshot of each weekly check, as Evidently''s own workspace takes it.';
comment on column analytics.evidently_snapshots.version_id is 'The judged version, of analytics.model_versions.';
comment on column analytics.evidently_snapshots.as_of      is 'The check judged what was known by then.';
comment on column analytics.evidently_snapshots.snapshot   is 'Evidently''s JSON: the report with its figures.';
comment on column analytics.evidently_snapshots.created_at is 'When the snapshot was stored.';

create function analytics.is_benefit(p_benefit jsonb) returns boolean
language sql immutable set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on set quote_all_identifiers = off
as $$
    select jsonb_typeof(p_benefit) = 'object'
       and p_benefit ?& array['wape', 'wape_low', 'wape_high', 'money', 'money_low', 'money_high', 'currency', 'days']
       and (p_benefit ->> 'wape_low')::float8  <= (p_benefit ->> 'wape')::float8  and (p_benefit ->> 'wape')::float8  <= (p_benefit ->> 'wape_high')::float8
       and (p_benefit ->> 'money_low')::float8 <= (p_benefit ->> 'money')::float8 and (p_benefit ->> 'money')::float8 <= (p_benefit ->> 'money_high')::float8
       and (p_benefit ->> 'days')::int > 0
$$;
comment on function analytics.is_benefit is 'Whether a document is a benefit: WAPE and money per week that are saved, each inside its interval, and over how many days that was measured.';

create table analytics.model_checks (
    version_id    bigint      not null references analytics.model_versions,
    as_of         timestamptz not null,
    alias         text        not null check (alias <> ''),
    state         text        not null check (state in ('judged', 'unlabelled', 'unjudged', 'failed')),
    problem       text        not null default '' check ((problem = '') = (state = 'judged')),
    measured      jsonb       not null default '{}' check (jsonb_typeof(measured) = 'object'),
    compared_with bigint      references analytics.model_versions check (compared_with <> version_id),
    comparison    jsonb       check (analytics.is_benefit(comparison)),
    checked_at    timestamptz not null default clock_timestamp(),
    primary key (version_id, as_of),
    check ((comparison is null) = (compared_with is null))
);
comment on table analytics.model_checks is 'One row for each weekly check of a served version, champion or not; the newest check of a week counts.';
comment on column analytics.model_checks.version_id    is 'The judged version, of analytics.model_versions.';
comment on column analytics.model_checks.as_of         is 'The check judged what was known by then.';
comment on column analytics.model_checks.alias         is 'By which alias it was served: champion before challenger before any other.';
comment on column analytics.model_checks.state         is 'judged; unlabelled: no outcome of the week is known; unjudged: there is nothing to judge it by; failed: the check itself broke.';
comment on column analytics.model_checks.problem       is 'Why it is not judged, in a sentence.';
comment on column analytics.model_checks.measured      is 'Of the week, by the freshest forecasts: wape, coverage_80, and, outcomes or not, expected_wape with expected_wape_low and expected_wape_high, and promised_wape, of the freshest forecasts of the backtest; loss_ratio with loss_ratio_low and loss_ratio_high: the loss of four weeks over that of the backtest on the same weekdays.';
comment on column analytics.model_checks.compared_with is 'Of a challenger: the champion on the same days.';
comment on column analytics.model_checks.comparison    is 'What the challenger would have saved in the champion''s place: the same document as expected_benefit of a recommendation.';
comment on column analytics.model_checks.checked_at    is 'When the check was made.';

create table analytics.retraining_recommendations (
    recommendation_id    bigint generated always as identity primary key,
    version_id           bigint      not null references analytics.model_versions,
    as_of                timestamptz not null,
    action               text        not null check (action in ('none', 'watch', 'investigate_data', 'retrain', 'rollback', 'fallback', 'promote')),
    reasons              text[]      not null,
    evidence             jsonb       not null,
    rule_version         text        not null,
    status               text        not null default 'open' check (status in ('open', 'accepted', 'dismissed', 'snoozed', 'done', 'superseded')),
    retrained_run_id     text,
    retrained_version_id bigint      references analytics.model_versions,
    verdict              text,
    decided_at           timestamptz,
    created_at           timestamptz not null default now(),
    cause                text[],
    severity             double precision,
    challenger           text,
    rollback_version_id  bigint      references analytics.model_versions,
    onset_at             timestamptz,
    expected_benefit     jsonb       check (analytics.is_benefit(expected_benefit)),
    cost                 double precision check (cost >= 0),
    horizon_weeks        int         check (horizon_weeks > 0),
    expires_at           timestamptz,
    held_by              bigint      references analytics.retraining_recommendations,
    replaced_by          bigint      references analytics.retraining_recommendations deferrable initially deferred,
    realised_benefit     jsonb       check (analytics.is_benefit(realised_benefit)),
    realised_at          timestamptz,
    check ((status = 'done') = (decided_at is not null)),
    check (action = 'none' or cardinality(reasons) > 0),
    check (expires_at > as_of),
    constraint retraining_recommendations_rollback_check check (action not in ('rollback', 'promote') or rollback_version_id is not null),
    constraint retraining_recommendations_promise_check  check (expected_benefit is null or (cost is not null and horizon_weeks is not null)),
    constraint retraining_recommendations_replaced_check check (replaced_by is null or status = 'superseded'),
    constraint retraining_recommendations_realised_check check ((realised_benefit is null) = (realised_at is null) and (realised_at is null or status = 'done'))
);
create unique index retraining_recommendations_of_week on analytics.retraining_recommendations (version_id, as_of) where replaced_by is null;
comment on table analytics.retraining_recommendations is 'What monitoring says should be done about a version, why, and what came of it.';
comment on column analytics.retraining_recommendations.recommendation_id    is 'Numbers the recommendations; mlops recommendations takes it.';
comment on column analytics.retraining_recommendations.version_id           is 'The judged version, of analytics.model_versions.';
comment on column analytics.retraining_recommendations.as_of                is 'The check judged what was known by then.';
comment on column analytics.retraining_recommendations.action               is 'none, watch, investigate_data, retrain, rollback, fallback or promote.';
comment on column analytics.retraining_recommendations.reasons              is 'Why, a sentence each.';
comment on column analytics.retraining_recommendations.evidence             is 'What it rests on, as JSON: the proof of a challenger, of the naive, of the data.';
comment on column analytics.retraining_recommendations.rule_version         is 'Which rules recommended it.';
comment on column analytics.retraining_recommendations.status               is 'open, accepted, dismissed, snoozed, done, or superseded by a later one.';
comment on column analytics.retraining_recommendations.retrained_run_id     is 'MLflow''s id of the run that acting on it made.';
comment on column analytics.retraining_recommendations.retrained_version_id is 'The version that acting on it made or brought back, of analytics.model_versions.';
comment on column analytics.retraining_recommendations.verdict              is 'What came of acting on it, in a sentence; empty until then.';
comment on column analytics.retraining_recommendations.decided_at           is 'When it was acted on; empty until then.';
comment on column analytics.retraining_recommendations.created_at           is 'When it was stored.';
comment on column analytics.retraining_recommendations.cause                is 'What it is about, by which a later one is known to be the same: what drifted, or is broken.';
comment on column analytics.retraining_recommendations.severity             is 'How clear it is: the largest statistic over its limit.';
comment on column analytics.retraining_recommendations.challenger           is 'The recipe that beat the champion: same, or a model kind; naive of a fallback.';
comment on column analytics.retraining_recommendations.rollback_version_id  is 'The version that a rollback brings back, or that is to be promoted; of a retraining, the version whose recipe is meant by same, where a seasonal naive stands in for it.';
comment on column analytics.retraining_recommendations.onset_at             is 'When the errors began to be larger, as estimated.';
comment on column analytics.retraining_recommendations.expected_benefit     is 'Saved by acting, as measured on held-out days: wape, wape_low, wape_high; money, money_low, money_high per week; currency, days.';
comment on column analytics.retraining_recommendations.cost                 is 'Of acting, in the currency of the benefit.';
comment on column analytics.retraining_recommendations.horizon_weeks        is 'For how long the benefit was counted against the cost.';
comment on column analytics.retraining_recommendations.expires_at           is 'Until when its proof holds.';
comment on column analytics.retraining_recommendations.held_by              is 'The dismissed or snoozed recommendation because of which this one asks for less.';
comment on column analytics.retraining_recommendations.replaced_by          is 'The recommendation that a later check of the same week made in its place.';
comment on column analytics.retraining_recommendations.realised_benefit     is 'What acting saved in the weeks after, against forecasts of the replaced version; the same document as expected_benefit.';
comment on column analytics.retraining_recommendations.realised_at          is 'As of when realised_benefit was measured; empty until then.';

create table analytics.recommendation_findings (
    recommendation_id bigint not null references analytics.retraining_recommendations,
    finding_id        bigint not null references analytics.model_performance_tracking,
    primary key (recommendation_id, finding_id)
);
comment on table analytics.recommendation_findings is 'The findings that a recommendation rests on.';
comment on column analytics.recommendation_findings.recommendation_id is 'Of analytics.retraining_recommendations.';
comment on column analytics.recommendation_findings.finding_id        is 'Of analytics.model_performance_tracking.';

create table analytics.recommendation_decisions (
    decision_id       bigint generated always as identity primary key,
    recommendation_id bigint      not null references analytics.retraining_recommendations,
    decision          text        not null check (decision in ('accept', 'dismiss', 'snooze')),
    decided_by        text        not null check (decided_by <> ''),
    reason            text        not null check (reason <> ''),
    until             timestamptz,
    decided_at        timestamptz not null default clock_timestamp(),
    check ((decision = 'snooze') = (until is not null))
);
create index recommendation_decisions_by_recommendation on analytics.recommendation_decisions (recommendation_id, decision_id desc);
comment on table analytics.recommendation_decisions is 'Who accepted, dismissed or put off a recommendation, when and why. Never rewritten; the newest counts.';
comment on column analytics.recommendation_decisions.decision_id       is 'Numbers the decisions; the newest of a recommendation counts.';
comment on column analytics.recommendation_decisions.recommendation_id is 'Of analytics.retraining_recommendations.';
comment on column analytics.recommendation_decisions.decision          is 'accept, dismiss, or snooze (put off).';
comment on column analytics.recommendation_decisions.decided_by        is 'Who decided.';
comment on column analytics.recommendation_decisions.reason            is 'Why, in the words of whoever decided.';
comment on column analytics.recommendation_decisions.until             is 'Of a snooze: when it may be made again.';
comment on column analytics.recommendation_decisions.decided_at        is 'When it was decided (instant).';

create function analytics.decide_recommendation() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on set quote_all_identifiers = off
as $$
declare
    found_row analytics.retraining_recommendations;
begin
    if tg_op <> 'INSERT' then
        raise exception 'decision % stands as it was made', old.decision_id
              using hint = 'decide anew: the newest decision counts', errcode = 'object_not_in_prerequisite_state';
    end if;
    select * into found_row from analytics.retraining_recommendations where recommendation_id = new.recommendation_id for update;
    if found_row.status in ('done', 'superseded') then
        raise exception 'recommendation % is %', new.recommendation_id, found_row.status
              using hint = 'decide about an open one: mlops recommendations list', errcode = 'object_not_in_prerequisite_state';
    end if;
    if found_row.action = 'none' then
        raise exception 'recommendation % asks for nothing', new.recommendation_id
              using hint = 'decide about an open one: mlops recommendations list', errcode = 'object_not_in_prerequisite_state';
    end if;
    if new.until <= found_row.as_of then
        raise exception 'recommendation % is of %, and can''t be put off until %', new.recommendation_id, found_row.as_of, new.until
              using hint = 'name a later day', errcode = 'object_not_in_prerequisite_state';
    end if;
    update analytics.retraining_recommendations
       set status = case new.decision when 'accept' then 'accepted' when 'dismiss' then 'dismissed' else 'snoozed' end
     where recommendation_id = new.recommendation_id;
    return new;
end $$;
comment on function analytics.decide_recommendation is 'Gives a recommendation the state that a decision means; refuses decisions about what is past, and any change of a decision.';
create trigger decide_recommendation before insert or update or delete on analytics.recommendation_decisions
    for each row execute function analytics.decide_recommendation();

-- What was promised and what came true, as columns: one row for each recommendation whose benefit was measured.
create view analytics.realised_benefits as
select r.recommendation_id, v.name as model, r.action, r.as_of as recommended_at, r.realised_at,
       v.version as replaced_version, n.version as new_version,
       (r.expected_benefit ->> 'wape')::float8      as promised_wape,
       (r.expected_benefit ->> 'wape_low')::float8  as promised_wape_low,
       (r.expected_benefit ->> 'wape_high')::float8 as promised_wape_high,
       (r.realised_benefit ->> 'wape')::float8      as realised_wape,
       (r.realised_benefit ->> 'wape_low')::float8  as realised_wape_low,
       (r.realised_benefit ->> 'wape_high')::float8 as realised_wape_high,
       case when p.are_ours then (r.expected_benefit ->> 'money')::float8 end as promised_money,
       case when p.are_ours then (r.realised_benefit ->> 'money')::float8 end as realised_money,
       case when p.are_ours then r.realised_benefit ->> 'currency' end        as currency,
       (r.expected_benefit ->> 'days')::int         as promised_over_days,
       (r.realised_benefit ->> 'days')::int         as realised_over_days,
       (r.realised_benefit ->> 'wape')::float8 > 0  as paid_off,
       (r.realised_benefit ->> 'wape')::float8 >= (r.expected_benefit ->> 'wape_low')::float8 as kept
  from analytics.retraining_recommendations r
  join analytics.model_versions v using (version_id)
  left join analytics.model_versions n on n.version_id = r.retrained_version_id
 cross join lateral (select coalesce(r.realised_benefit ->> 'currency', '') <> '' as are_ours) p  -- prices, and no placeholders
 where r.realised_at is not null and r.expected_benefit is not null;
comment on view analytics.realised_benefits is 'What acting on a recommendation promised and what it brought: by how much lower the WAPE was than that of the version that was replaced, and money a week where prices are no placeholders.';
comment on column analytics.realised_benefits.recommendation_id  is 'Of analytics.retraining_recommendations.';
comment on column analytics.realised_benefits.model              is 'The registered model''s name.';
comment on column analytics.realised_benefits.action             is 'What was done: retrain, rollback, fallback or promote.';
comment on column analytics.realised_benefits.recommended_at     is 'The check that recommended it judged what was known by then.';
comment on column analytics.realised_benefits.realised_at        is 'As of when it was measured what came true.';
comment on column analytics.realised_benefits.replaced_version   is 'The number of the version that was replaced.';
comment on column analytics.realised_benefits.new_version        is 'The number of the version that took over.';
comment on column analytics.realised_benefits.promised_wape      is 'Of the WAPE, saved on held-out days before the decision.';
comment on column analytics.realised_benefits.promised_wape_low  is 'Lower end of the interval of the promise.';
comment on column analytics.realised_benefits.promised_wape_high is 'Upper end of the interval of the promise.';
comment on column analytics.realised_benefits.realised_wape      is 'Of the WAPE, saved in the weeks after the decision, against what the replaced version would have forecast from the same cutoffs.';
comment on column analytics.realised_benefits.realised_wape_low  is 'Lower end of the interval of what came true.';
comment on column analytics.realised_benefits.realised_wape_high is 'Upper end of the interval of what came true.';
comment on column analytics.realised_benefits.promised_money     is 'Money a week that was promised; empty where prices are placeholders.';
comment on column analytics.realised_benefits.realised_money     is 'Money a week that was saved; empty where prices are placeholders.';
comment on column analytics.realised_benefits.currency           is 'The currency of money, as ISO 4217 says: EUR.';
comment on column analytics.realised_benefits.promised_over_days is 'Over how many held-out days the promise was measured.';
comment on column analytics.realised_benefits.realised_over_days is 'Over how many days it was measured what came true.';
comment on column analytics.realised_benefits.paid_off           is 'Whether the new version was better than the replaced one would have been.';
comment on column analytics.realised_benefits.kept               is 'Whether at least the lower end of the promise came true.';

-- Promotions: every move of an alias that was decided here, with who, why and the evidence. Never rewritten ------------------

create table analytics.promotions (
    promotion_id      bigint generated always as identity primary key,
    model_id          bigint      not null references analytics.registered_models,
    alias             text        not null,
    version_id        bigint      not null references analytics.model_versions,
    from_version_id   bigint      references analytics.model_versions,
    action            text        not null check (action in ('promote', 'rollback')),
    decided_by        text        not null check (decided_by <> ''),
    reason            text        not null check (reason <> ''),
    gates             jsonb       not null check (jsonb_typeof(gates) = 'array'),
    forced            boolean     not null default false,
    recommendation_id bigint      references analytics.retraining_recommendations,
    decided_at        timestamptz not null default clock_timestamp(),
    applied_at        timestamptz check (applied_at >= decided_at),
    check (version_id is distinct from from_version_id),
    constraint promotions_pass_or_are_forced check (forced or not jsonb_path_exists(gates, '$[*] ? (@.passed == false)'))
);
create index promotions_by_model on analytics.promotions (model_id, alias, decided_at desc);
comment on table analytics.promotions is 'Which version an alias was to point to, by whose decision, why, and what each gate found.';
comment on column analytics.promotions.promotion_id      is 'Numbers the decisions.';
comment on column analytics.promotions.model_id          is 'Of analytics.registered_models.';
comment on column analytics.promotions.alias             is 'The alias that was to move.';
comment on column analytics.promotions.version_id        is 'Where the alias was to point, of analytics.model_versions.';
comment on column analytics.promotions.from_version_id   is 'Where the alias pointed before; empty when it was new.';
comment on column analytics.promotions.action            is 'promote, or rollback to a version that was there before.';
comment on column analytics.promotions.decided_by        is 'Who decided.';
comment on column analytics.promotions.reason            is 'Why, in the words of whoever decided.';
comment on column analytics.promotions.gates             is 'One object per gate: gate, passed (null where it does not apply, found says why), found, expected.';
comment on column analytics.promotions.forced            is 'A gate failed, or could not be asked, and a person decided all the same.';
comment on column analytics.promotions.recommendation_id is 'The recommendation that it acts on, of analytics.retraining_recommendations; empty when it acts on none.';
comment on column analytics.promotions.decided_at        is 'When it was decided (instant).';
comment on column analytics.promotions.applied_at        is 'When the registry''s alias was moved; empty when that was interrupted: the same command again finishes it.';

create function analytics.keep_promotions() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on set quote_all_identifiers = off
as $$
begin
    if tg_op = 'UPDATE' and old.applied_at is null and (to_jsonb(new) - 'applied_at') = (to_jsonb(old) - 'applied_at') then
        return new;
    end if;
    raise exception 'promotion % stands as it was decided', old.promotion_id
          using hint = 'record another promotion or a rollback', errcode = 'object_not_in_prerequisite_state';
end $$;
comment on function analytics.keep_promotions is 'Refuses to change or delete a recorded promotion; only applied_at is filled in, once.';
create trigger keep_promotions before update or delete on analytics.promotions for each row execute function analytics.keep_promotions();

-- Which decision stands behind a stretch of an alias: one rule for history, rollback, alerts and the way back from a prediction.
create view analytics.alias_decisions as
with stretches as (
    select a.model_id, a.alias, a.version_id, a.valid_from, a.valid_to,
           lag(a.version_id) over before as before_id, lag(a.valid_from) over before as before_from, lag(a.valid_to) over before as before_to
      from analytics.model_aliases a
    window before as (partition by a.model_id, a.alias order by a.valid_from)
)
select s.model_id, s.alias, s.version_id, s.valid_from, s.valid_to, p.promotion_id, p.decided_at
  from stretches s
  left join analytics.promotions p
         on p.model_id = s.model_id and p.alias = s.alias and p.version_id = s.version_id
        and p.decided_at < coalesce(s.valid_to, 'infinity')
        and p.decided_at > coalesce(case when s.before_id = s.version_id then s.before_to else s.before_from end, '-infinity');
comment on view analytics.alias_decisions is 'Each stretch of time in which an alias pointed at a version, with the decisions behind it: those taken while the version before stood, and those put on record while this one did. A stretch that nobody decided has an empty promotion_id. The newest decision counts.';
comment on column analytics.alias_decisions.model_id     is 'Of analytics.registered_models.';
comment on column analytics.alias_decisions.alias        is 'The alias: champion, challenger, or one of the user''s own.';
comment on column analytics.alias_decisions.version_id   is 'Of analytics.model_versions.';
comment on column analytics.alias_decisions.valid_from   is 'When the alias was first seen to point to the version (instant).';
comment on column analytics.alias_decisions.valid_to     is 'Until when it did; empty while it does.';
comment on column analytics.alias_decisions.promotion_id is 'The decision behind the stretch, of analytics.promotions; empty where nobody decided here.';
comment on column analytics.alias_decisions.decided_at   is 'A decision says nothing about the time before it.';

-- Models that were not trained here may serve elsewhere: a champion of that kind, decided on record, is a note and no fault.
create function analytics.gate_does_not_apply(p_version_id bigint, p_gate text) returns boolean
language sql stable set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on set quote_all_identifiers = off
as $$
    select exists (select from analytics.alias_decisions d join analytics.promotions p using (promotion_id)
                    where d.version_id = p_version_id and d.alias = 'champion' and d.valid_to is null
                      and p.gates @> jsonb_build_array(jsonb_build_object('gate', p_gate, 'passed', null)))
$$;
comment on function analytics.gate_does_not_apply is 'Whether a version is champion by a decision that says that a gate can''t apply to it, as those of accuracy and lineage to models of other libraries that were not trained here.';

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

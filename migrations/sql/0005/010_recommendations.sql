-- Recommendations with what they promise and cost, until when they hold, what people decided about them, and what came true.

create function analytics.is_benefit(p_benefit jsonb) returns boolean
language sql immutable set search_path = pg_catalog, pg_temp
as $$
    select jsonb_typeof(p_benefit) = 'object'
       and p_benefit ?& array['wape', 'wape_low', 'wape_high', 'money', 'money_low', 'money_high', 'currency', 'days']
       and (p_benefit ->> 'wape_low')::float8  <= (p_benefit ->> 'wape')::float8  and (p_benefit ->> 'wape')::float8  <= (p_benefit ->> 'wape_high')::float8
       and (p_benefit ->> 'money_low')::float8 <= (p_benefit ->> 'money')::float8 and (p_benefit ->> 'money')::float8 <= (p_benefit ->> 'money_high')::float8
       and (p_benefit ->> 'days')::int > 0
$$;
comment on function analytics.is_benefit is 'Whether a document is a benefit: WAPE and money per week that are saved, each inside its interval, and over how many days that was measured.';

alter table analytics.retraining_recommendations
    drop constraint retraining_recommendations_version_id_as_of_key,
    drop constraint retraining_recommendations_action_check,
    drop constraint retraining_recommendations_status_check,
    add constraint retraining_recommendations_action_check check (action in ('none', 'watch', 'investigate_data', 'retrain', 'rollback')),
    add constraint retraining_recommendations_status_check check (status in ('open', 'accepted', 'dismissed', 'snoozed', 'done', 'superseded')),
    add column cause               text[],
    add column severity            double precision,
    add column challenger          text,
    add column rollback_version_id bigint references analytics.model_versions,
    add column onset_at            timestamptz,
    add column expected_benefit    jsonb check (analytics.is_benefit(expected_benefit)),
    add column cost                double precision check (cost >= 0),
    add column horizon_weeks       integer check (horizon_weeks > 0),
    add column expires_at          timestamptz check (expires_at > as_of),
    add column held_by             bigint references analytics.retraining_recommendations,
    add column replaced_by         bigint references analytics.retraining_recommendations deferrable initially deferred,
    add column realised_benefit    jsonb check (analytics.is_benefit(realised_benefit)),
    add column realised_at         timestamptz,
    add constraint retraining_recommendations_rollback_check   check (action <> 'rollback' or rollback_version_id is not null),
    add constraint retraining_recommendations_promise_check    check (expected_benefit is null or (cost is not null and horizon_weeks is not null)),
    add constraint retraining_recommendations_replaced_check   check (replaced_by is null or status = 'superseded'),
    add constraint retraining_recommendations_realised_check   check ((realised_benefit is null) = (realised_at is null) and (realised_at is null or status = 'done'));
create unique index retraining_recommendations_of_week on analytics.retraining_recommendations (version_id, as_of) where replaced_by is null;

comment on column analytics.retraining_recommendations.cause               is 'What it is about, by which a later one is known to be the same: what drifted, or is broken.';
comment on column analytics.retraining_recommendations.severity            is 'How clear it is: the largest statistic over its limit.';
comment on column analytics.retraining_recommendations.challenger          is 'The recipe that beat the champion: same, or a model kind.';
comment on column analytics.retraining_recommendations.rollback_version_id is 'The version that a rollback brings back.';
comment on column analytics.retraining_recommendations.onset_at            is 'When the errors began to be larger, as estimated.';
comment on column analytics.retraining_recommendations.expected_benefit    is 'Saved by acting, as measured on held-out days: wape, wape_low, wape_high; money, money_low, money_high per week; currency, days.';
comment on column analytics.retraining_recommendations.cost                is 'Of acting, in the currency of the benefit.';
comment on column analytics.retraining_recommendations.horizon_weeks       is 'For how long the benefit was counted against the cost.';
comment on column analytics.retraining_recommendations.expires_at          is 'Until when its proof holds.';
comment on column analytics.retraining_recommendations.held_by             is 'The dismissed or snoozed recommendation because of which this one asks for less.';
comment on column analytics.retraining_recommendations.replaced_by         is 'The recommendation that a later check of the same week made in its place.';
comment on column analytics.retraining_recommendations.realised_benefit    is 'What acting saved in the weeks after, against forecasts of the replaced version; the same document as expected_benefit.';

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
comment on table  analytics.recommendation_decisions is 'Who accepted, dismissed or put off a recommendation, when and why. Never rewritten; the newest counts.';
comment on column analytics.recommendation_decisions.until is 'Of a snooze: when it may be made again.';
create index recommendation_decisions_by_recommendation on analytics.recommendation_decisions (recommendation_id, decision_id desc);

create function analytics.decide_recommendation() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
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

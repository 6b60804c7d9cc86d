-- Alerts: what somebody should look at, open until it is no longer so, and who was told of it, where and when.

create table analytics.alerts (
    alert_id    bigint generated always as identity primary key,
    kind        text        not null check (kind ~ '^[a-z][a-z_]*$'),
    subject     text        not null check (subject <> ''),
    severity    text        not null check (severity in ('warning', 'critical')),
    message     text        not null check (message <> ''),
    todo        text        not null check (todo <> ''),
    version_id  bigint      references analytics.model_versions,
    details     jsonb       not null default '{}',
    owner       text,
    opened_at   timestamptz not null default clock_timestamp(),
    seen_at     timestamptz not null default clock_timestamp(),
    resolved_at timestamptz,
    check (opened_at <= seen_at),
    check (opened_at <= resolved_at)
);
create unique index alerts_open on analytics.alerts (kind, subject) where resolved_at is null;
create index alerts_by_version on analytics.alerts (version_id);
comment on table analytics.alerts is 'One row per kind and subject while it lasts: the same alert is never open twice, and what comes back is a new row.';
comment on column analytics.alerts.alert_id    is 'Numbers the alerts.';
comment on column analytics.alerts.kind        is 'What sort of thing it is, for rules and dashboards: champion_removed, drift, …';
comment on column analytics.alerts.subject     is 'What it is about, as commands take it: models:/demand@champion.';
comment on column analytics.alerts.severity    is 'warning, or critical where something that serves is wrong.';
comment on column analytics.alerts.message     is 'What was found, in a sentence.';
comment on column analytics.alerts.todo        is 'What would resolve it.';
comment on column analytics.alerts.version_id  is 'The model version that it is about, of analytics.model_versions; empty of alerts about something else.';
comment on column analytics.alerts.details     is 'Figures behind the message, as JSON; which there are depends on kind.';
comment on column analytics.alerts.owner       is 'Who is to look at it, by the owners in monitoring/policy.toml.';
comment on column analytics.alerts.opened_at   is 'When it was first found (instant).';
comment on column analytics.alerts.seen_at     is 'When it was last found to be so.';
comment on column analytics.alerts.resolved_at is 'When it was found to be no longer so; empty while it is open.';

create table analytics.alert_deliveries (
    delivery_id   bigint generated always as identity primary key,
    alert_id      bigint      not null references analytics.alerts,
    channel       text        not null check (channel <> ''),
    event         text        not null check (event in ('opened', 'reminder', 'resolved')),
    number        int         not null default 0 check ((event = 'reminder') = (number > 0)),
    queued_at     timestamptz not null default clock_timestamp(),
    due_at        timestamptz not null default clock_timestamp(),
    attempts      int         not null default 0 check (attempts >= 0),
    problem       text,
    sent_at       timestamptz check (sent_at >= queued_at),
    said_resolved boolean     check ((said_resolved is null) = (sent_at is null)),
    unique (alert_id, channel, event, number)
);
create index alert_deliveries_waiting on analytics.alert_deliveries (channel, due_at) where sent_at is null;
comment on table analytics.alert_deliveries is 'One row per alert, channel and message; the unique key is why nobody is told twice.';
comment on column analytics.alert_deliveries.delivery_id   is 'Numbers the messages in the order in which they were queued.';
comment on column analytics.alert_deliveries.alert_id      is 'Of analytics.alerts.';
comment on column analytics.alert_deliveries.channel       is 'The channel''s name in monitoring/policy.toml.';
comment on column analytics.alert_deliveries.event         is 'opened once, a reminder every so many days while it is open, resolved once.';
comment on column analytics.alert_deliveries.number        is 'Which reminder it is, from 1; 0 for the others.';
comment on column analytics.alert_deliveries.queued_at     is 'When the message was made, before it was tried.';
comment on column analytics.alert_deliveries.due_at        is 'Not to be tried before; later after each failure.';
comment on column analytics.alert_deliveries.attempts      is 'How often it was tried to be sent.';
comment on column analytics.alert_deliveries.problem       is 'Why the last attempt failed, or who of several was not reached.';
comment on column analytics.alert_deliveries.sent_at       is 'When the channel took it; empty while it waits.';
comment on column analytics.alert_deliveries.said_resolved is 'Whether the message said already that the alert is resolved, because it went out late.';

create function analytics.monitoring_alerts(p_as_of timestamptz, p_policy jsonb)
returns table (kind text, subject text, severity text, version_id bigint, owner text, message text, todo text, details jsonb, since timestamptz)
language sql stable
as $$
    with limits as (
        select * from jsonb_to_record(p_policy -> 'limits') as l (health_below float8, overdue_days float8, labels_missing_days float8)
    ), champions as materialized (
        select h.*, case when g.seconds = 0 and g.months = 0 then interval '3 days' else h.step end as longest_step,  -- a weekend may follow a weekday
               v.lineage -> 'recipe' ->> 'owner' as owner, format('models:/%s@%s', h.name, h.alias) as subject
          from analytics.health_of_models(p_as_of) h join analytics.model_versions v using (version_id)
          left join analytics.granularities g on g.name = v.lineage -> 'selection' ->> 'granularity'
         where h.alias = 'champion'
    ), found as (
        -- somebody has to decide; what is accepted, put off or dismissed is decided
        select r.action || '_recommended' as kind, c.subject, case r.action when 'rollback' then 'critical' else 'warning' end as severity, c.version_id, c.owner,
               format('version %s: %s', c.version, coalesce(r.reasons[1], r.action)) as message,
               case when r.action = 'investigate_data' then 'look at the data before anything is retrained: mlops review'
                    when r.expires_at < p_as_of then 'mlops monitor run, for the proof is too old to act on'
                    else format('mlops retrain %s%s; the reasons are in mlops review', r.recommendation_id,
                                case r.action when 'rollback' then ', which rolls back' when 'fallback' then ', which lets the seasonal naive serve'
                                              when 'promote' then ', which promotes the challenger' end) end as todo,
               jsonb_build_object('version', c.version, 'recommendation_id', r.recommendation_id, 'reasons', to_jsonb(r.reasons)) as details,
               (select min(e.as_of) from analytics.retraining_recommendations e  -- of the unbroken run of this action
                 where e.version_id = r.version_id and e.as_of <= r.as_of and e.replaced_by is null
                   and e.as_of > coalesce((select max(o.as_of) from analytics.retraining_recommendations o
                                            where o.version_id = r.version_id and o.as_of < r.as_of and o.action <> r.action and o.replaced_by is null), '-infinity')) as since
          from champions c
         cross join lateral (select * from analytics.retraining_recommendations r
                              where r.version_id = c.version_id and r.as_of <= p_as_of and r.replaced_by is null order by r.as_of desc, r.recommendation_id desc limit 1) r
         where (r.status = 'open' or r.status = 'snoozed' and not exists (
                   select from analytics.recommendation_decisions d where d.recommendation_id = r.recommendation_id and d.until > p_as_of)
               or r.status = 'superseded' and exists (  -- by a check that was still to come
               select from analytics.retraining_recommendations n where n.version_id = r.version_id and n.as_of > p_as_of))
           and r.action in ('retrain', 'rollback', 'fallback', 'promote', 'investigate_data')
        union all
        select 'health_low', c.subject, case when c.score < l.health_below / 2 then 'critical' else 'warning' end, c.version_id, c.owner,
               format('version %s: health is %s of 100; %s: %s', c.version, c.score, c.weakest, c.weakest_words),
               'mlops monitor health shows all parts', jsonb_build_object('version', c.version, 'score', c.score, 'weakest', c.weakest), c.checked_at
          from champions c, limits l where c.score < l.health_below
        union all
        select 'monitor_overdue', c.subject, 'warning', c.version_id, c.owner,
               case when c.checked_at is null then format('version %s was never checked, and has forecasts whose outcomes are known', c.version)
                    else format('version %s was last checked %s days ago', c.version, floor(date_part('epoch', p_as_of - c.checked_at) / 86400)) end,
               'mlops monitor run, and plan it weekly', jsonb_build_object('version', c.version, 'checked_at', c.checked_at), coalesce(c.checked_at, c.alias_since)
          from champions c, limits l
         where c.labelled > 0 and coalesce(c.checked_at, c.alias_since) < p_as_of - l.overdue_days * interval '1 day'
        union all
        select 'labels_missing', c.subject, 'warning', c.version_id, c.owner,
               format('version %s: no outcome is known for the last %s days; forecasts wait since %s', c.version, l.labels_missing_days,
                      to_char(c.unlabelled_since at time zone 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')),
               'bring the observations in, and run mlops outcomes match',
               jsonb_build_object('version', c.version, 'unlabelled_since', c.unlabelled_since, 'labelled_until', c.labelled_until), c.unlabelled_since
          from champions c, limits l
         where c.unlabelled_since < p_as_of - l.labels_missing_days * interval '1 day'
           and coalesce(c.labelled_until < p_as_of - l.labels_missing_days * interval '1 day', true)
        union all
        select 'forecasts_missing', c.subject, 'critical', c.version_id, c.owner,
               case when c.forecast_until is null then format('version %s: no forecasts of late', c.version)
                    else format('version %s: no forecasts since %s', c.version, to_char(c.forecast_until at time zone 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')) end,
               format('mlops predict %s, and plan it', c.subject), jsonb_build_object('version', c.version, 'forecast_until', c.forecast_until), coalesce(c.forecast_until, c.alias_since)
          from champions c
         where coalesce(c.forecast_until, c.alias_since) < p_as_of - 2 * c.longest_step
           and not analytics.gate_does_not_apply(c.version_id, 'naive')  -- such a champion serves elsewhere
    )
    select f.kind, f.subject, f.severity, f.version_id,
           coalesce(f.owner, p_policy -> 'owners' ->> substring(f.subject from '^models:/(.*)@[^@]*$'), p_policy -> 'owners' ->> 'default'),
           f.message, f.todo, f.details, f.since
      from found f
    union all  -- what can't be judged has not got better
    select a.kind, a.subject, a.severity, a.version_id, a.owner, a.message, a.todo, a.details, a.opened_at
      from analytics.alerts a join champions c using (subject)
     where a.kind = 'health_low' and a.resolved_at is null and c.score is null
$$;
comment on function analytics.monitoring_alerts is 'What monitoring alerts of as known at a time, by a policy with limits and owners as in [alerts] of policy.toml; it writes nothing. since is when that began, of the facts: the first check that asked for it,
the last forecast, the oldest missing outcome.';

create function analytics.is_of_monitoring(p_kind text) returns boolean
language sql immutable
as $$
    select p_kind in ('retrain_recommended', 'rollback_recommended', 'fallback_recommended', 'promote_recommended', 'investigate_data_recommended',
                      'health_low', 'monitor_overdue', 'labels_missing', 'forecasts_missing')
$$;
comment on function analytics.is_of_monitoring is 'Whether alerts of a kind come and go with what monitoring finds; the others are the registry mirror''s.';

create function analytics.open_alerts(p_as_of timestamptz, p_policy jsonb)
returns table (alert_id bigint, kind text, subject text, model text, severity text, version_id bigint, owner text, message text, todo text, details jsonb,
               since timestamptz, opened_at timestamptz, seen_at timestamptz)
language sql stable
as $$
    select a.alert_id, f.kind, f.subject, substring(f.subject from '^models:/(.*)@[^@]*$'), f.severity, f.version_id, f.owner, f.message, f.todo, f.details,
           f.since, a.opened_at, a.seen_at
      from analytics.monitoring_alerts(p_as_of, p_policy) f
      left join analytics.alerts a on a.kind = f.kind and a.subject = f.subject and a.resolved_at is null
    union all  -- those of the registry are found by its mirror
    select a.alert_id, a.kind, a.subject, coalesce(substring(a.subject from '^models:/(.*)@[^@]*$'), substring(a.subject from '^models:/(.*)/[0-9]+$')),
           a.severity, a.version_id, a.owner, a.message, a.todo, a.details, a.opened_at, a.opened_at, a.seen_at
      from analytics.alerts a
     where a.opened_at <= p_as_of and coalesce(a.resolved_at > p_as_of, true)
       and not analytics.is_of_monitoring(a.kind)
$$;
comment on function analytics.open_alerts is 'Every alert that is open as known at a time: what monitoring finds now, and what the registry''s mirror has opened. alert_id and opened_at are empty until mlops monitor run or mlops alerts deliver has recorded it.';

-- Alerts: what somebody should look at, open until it is no longer so.

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
comment on table  analytics.alerts is 'One row per kind and subject while it lasts: the same alert is never open twice, and what comes back is a new row.';
comment on column analytics.alerts.subject     is 'What it is about, as commands take it: models:/demand@champion.';
comment on column analytics.alerts.todo        is 'What would resolve it.';
comment on column analytics.alerts.seen_at     is 'When it was last found to be so.';
comment on column analytics.alerts.resolved_at is 'When it was found to be no longer so; empty while it is open.';
create unique index alerts_open on analytics.alerts (kind, subject) where resolved_at is null;
create index alerts_by_version on analytics.alerts (version_id);

-- Who was told of an alert, where and when: one row for each message, made before it is sent.

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
comment on table  analytics.alert_deliveries is 'One row per alert, channel and message; the unique key is why nobody is told twice.';
comment on column analytics.alert_deliveries.event         is 'opened once, a reminder every so many days while it is open, resolved once.';
comment on column analytics.alert_deliveries.number        is 'Which reminder it is, from 1; 0 for the others.';
comment on column analytics.alert_deliveries.due_at        is 'Not to be tried before; later after each failure.';
comment on column analytics.alert_deliveries.problem       is 'Why the last attempt failed, or who of several was not reached.';
comment on column analytics.alert_deliveries.sent_at       is 'When the channel took it; empty while it waits.';
comment on column analytics.alert_deliveries.said_resolved is 'Whether the message said already that the alert is resolved, because it went out late.';
create index alert_deliveries_waiting on analytics.alert_deliveries (channel, due_at) where sent_at is null;

-- Which versions answer requests now, in which process; and how processes agree on when to change one.

create table analytics.live_workers (
    worker_id  uuid        primary key,
    host       text        not null,
    pid        int         not null,
    started_at timestamptz not null default clock_timestamp(),
    seen_at    timestamptz not null default clock_timestamp()
);
comment on table analytics.live_workers is 'One row per process that serves models, while it does; one that was killed stays for a day, with the time at which it was last seen.';
comment on column analytics.live_workers.worker_id  is 'Chosen by the process when it starts.';
comment on column analytics.live_workers.host       is 'The machine or container.';
comment on column analytics.live_workers.pid        is 'The number of the process there.';
comment on column analytics.live_workers.started_at is 'When it began (instant).';
comment on column analytics.live_workers.seen_at    is 'When it last said that it lives, twice a second; two seconds later nobody waits for it.';

create table analytics.live_models (
    worker_id  uuid        not null references analytics.live_workers on delete cascade,
    model_id   bigint      not null references analytics.registered_models,
    alias      text        not null,
    version_id bigint      references analytics.model_versions,
    since      timestamptz not null default clock_timestamp(),
    next_id    bigint      references analytics.model_versions,
    ready_at   timestamptz,
    next_at    timestamptz,
    primary key (worker_id, model_id, alias),
    check (version_id is not null or next_id is not null),
    check ((next_id is null) = (ready_at is null)),
    check (next_at is null or next_id is not null)
);
create index live_models_by_alias on analytics.live_models (model_id, alias);
comment on table analytics.live_models is 'Which version a process answers with for an alias, and which one is loaded and warm and takes its place at an agreed time.';
comment on column analytics.live_models.worker_id  is 'Of analytics.live_workers.';
comment on column analytics.live_models.model_id   is 'Of analytics.registered_models.';
comment on column analytics.live_models.alias      is 'The alias by which it is asked for: champion, challenger, …';
comment on column analytics.live_models.version_id is 'What answers now, of analytics.model_versions; empty before the process has answered for this alias.';
comment on column analytics.live_models.since      is 'When the process first said so.';
comment on column analytics.live_models.next_id    is 'What is to answer next; empty when the alias means what answers.';
comment on column analytics.live_models.ready_at   is 'When next_id was loaded and warm.';
comment on column analytics.live_models.next_at    is 'From when on next_id answers, in all processes; empty until each of them has it ready.';

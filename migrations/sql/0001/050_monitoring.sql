-- Drift findings, the Evidently snapshot that shows them, and what to do about them.

create table analytics.model_performance_tracking (
    finding_id   bigint generated always as identity primary key,
    version_id   bigint      not null references analytics.model_versions,
    as_of        timestamptz not null,
    window_start timestamptz not null,
    window_end   timestamptz not null,
    kind         text        not null check (kind in ('feature', 'concept', 'performance', 'data')),
    subject      text        not null default '',
    statistic    double precision,
    threshold    double precision,
    drifted      boolean     not null,
    detail       text        not null default '',
    created_at   timestamptz not null default now(),
    unique (version_id, as_of, kind, subject),
    check (window_start < window_end and window_end <= as_of)
);
comment on table analytics.model_performance_tracking is 'One row per version, window, kind of finding and subject (a feature, a series or nothing), drifted or not.';

create table analytics.evidently_snapshots (
    version_id bigint      not null references analytics.model_versions,
    as_of      timestamptz not null,
    snapshot   jsonb       not null,
    created_at timestamptz not null default now(),
    primary key (version_id, as_of)
);

create table analytics.retraining_recommendations (
    recommendation_id    bigint generated always as identity primary key,
    version_id           bigint      not null references analytics.model_versions,
    as_of                timestamptz not null,
    action               text        not null check (action in ('none', 'watch', 'investigate_data', 'retrain')),
    reasons              text[]      not null,
    evidence             jsonb       not null,
    rule_version         text        not null,
    status               text        not null default 'open' check (status in ('open', 'done', 'superseded')),
    retrained_run_id     text,
    retrained_version_id bigint      references analytics.model_versions,
    verdict              text,
    decided_at           timestamptz,
    created_at           timestamptz not null default now(),
    unique (version_id, as_of),
    check ((status = 'done') = (decided_at is not null)),
    check (action = 'none' or cardinality(reasons) > 0)
);
comment on table analytics.retraining_recommendations is 'What monitoring says should be done about a version, why, and what came of it.';

create table analytics.recommendation_findings (
    recommendation_id bigint not null references analytics.retraining_recommendations,
    finding_id        bigint not null references analytics.model_performance_tracking,
    primary key (recommendation_id, finding_id)
);
comment on table analytics.recommendation_findings is 'The findings that a recommendation rests on.';

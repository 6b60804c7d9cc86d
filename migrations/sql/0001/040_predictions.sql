-- Every prediction with its outcome, on the same row.

create sequence analytics.prediction_id;  -- an identity column can't be on a partitioned table before PostgreSQL 17
create table analytics.model_prediction_results (
    prediction_id       bigint           not null default nextval('analytics.prediction_id'),
    version_id          bigint           not null references analytics.model_versions,
    series_id           bigint           not null references analytics.series,
    issued_at           timestamptz      not null,
    cutoff              timestamptz      not null,
    target_at           timestamptz      not null check (target_at > cutoff),
    horizon             int              not null check (horizon > 0),
    y_hat               double precision not null,
    lo_80               double precision check (lo_80 <= y_hat),
    hi_80               double precision check (hi_80 >= y_hat),
    lo_95               double precision check (lo_95 <= lo_80),
    hi_95               double precision check (hi_95 >= hi_80),
    execution_ms        real,
    memory_mb           real,
    request_id          text,
    decomposition       jsonb,
    outcome             double precision,
    outcome_recorded_at timestamptz,
    matched_at          timestamptz,
    error               double precision generated always as (y_hat - outcome) stored,
    business_context    jsonb,
    feedback            jsonb,
    created_at          timestamptz      not null default now(),
    primary key (version_id, series_id, cutoff, target_at),
    check (num_nulls(outcome, outcome_recorded_at, matched_at) in (0, 3))
) partition by range (target_at);
comment on table analytics.model_prediction_results is 'One row per version, series, cutoff and target. The first issue stands: what was said is never rewritten; the outcome is what is now known.';
comment on column analytics.model_prediction_results.issued_at is 'The forecast saw only what was recorded by this time.';
create index model_prediction_results_id      on analytics.model_prediction_results (prediction_id);
create index model_prediction_results_open    on analytics.model_prediction_results (series_id, target_at) where outcome is null;
create index model_prediction_results_window  on analytics.model_prediction_results (version_id, target_at);
insert into analytics.partition_policy (parent) values ('analytics.model_prediction_results');

-- The registry mirror: what MLflow knew, with what it forgets. Nothing is ever deleted here; deleted_at is the tombstone.

create table analytics.registered_models (
    model_id    bigint generated always as identity primary key,
    name        text        not null,
    created_at  timestamptz not null,
    description text,
    tags        jsonb       not null default '{}',
    seen_at     timestamptz not null default now(),
    deleted_at  timestamptz,
    unique (name, created_at)
);
create unique index registered_models_live on analytics.registered_models (name) where deleted_at is null;

create table analytics.model_versions (
    version_id      bigint generated always as identity primary key,
    model_id        bigint      not null references analytics.registered_models,
    name            text        not null,
    version         int         not null check (version > 0),
    created_at      timestamptz not null,
    kind            text,
    run_id          text,
    source          text,
    status          text        not null,
    tags            jsonb       not null default '{}',
    params          jsonb       not null default '{}',
    metrics         jsonb       not null default '{}',
    lineage         jsonb,
    lineage_sha256  text,
    lineage_state   text        not null check (lineage_state in ('complete', 'incomplete')),
    lineage_problem text        check ((lineage_state = 'incomplete') = (lineage_problem is not null)),
    as_of           timestamptz,
    trained_from    timestamptz,
    trained_to      timestamptz,
    seen_at         timestamptz not null default now(),
    deleted_at      timestamptz,
    unique (name, version, created_at)
);
comment on table analytics.model_versions is 'One version of a registered model. MLflow restarts at version 1 when a name is deleted and made again, so the identity is name, version and time of creation.';
comment on column analytics.model_versions.as_of is 'The model was trained on what was recorded by this time.';

create table analytics.model_aliases (
    model_id   bigint      not null references analytics.registered_models,
    alias      text        not null,
    version_id bigint      not null references analytics.model_versions,
    valid_from timestamptz not null default clock_timestamp(),
    valid_to   timestamptz,
    primary key (model_id, alias, valid_from),
    check (valid_from <= valid_to)
);
comment on table analytics.model_aliases is 'Which version an alias pointed to and when, as the bridge saw it; valid_to null is now.';
create unique index model_aliases_now on analytics.model_aliases (model_id, alias) where valid_to is null;

create table analytics.model_feature_store (
    feature_id          bigint generated always as identity primary key,
    name                text   not null,
    version             int    not null check (version > 0),
    definition_sha256   text   not null,
    definition          jsonb  not null,
    dtype               text   not null,
    entity              text   not null,
    granularity         text   not null,
    source_metric_types text[] not null,
    transformation      text   not null,
    owner               text   not null,
    description         text   not null,
    created_at          timestamptz not null default now(),
    unique (name, version),
    unique (name, definition_sha256)
);
comment on table analytics.model_feature_store is 'One row per feature and version; a changed definition is a new version, an unchanged one never is.';

create table analytics.model_version_features (
    version_id bigint not null references analytics.model_versions,
    feature_id bigint not null references analytics.model_feature_store,
    importance double precision,
    primary key (version_id, feature_id)
);
comment on table analytics.model_version_features is 'Lineage edges as the model itself declares them; importance is the share of the total gain, from 0 to 1.';
create index model_version_features_by_feature on analytics.model_version_features (feature_id);

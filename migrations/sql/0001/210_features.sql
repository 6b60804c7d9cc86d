-- Features: their definitions, what their values were like, which model learned from which, and the values themselves.

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
    quality             jsonb,
    profile             jsonb,
    temporal_pattern    jsonb,
    importance          jsonb  not null default '{}' check (jsonb_typeof(importance) = 'object'),
    unique (name, version),
    unique (name, definition_sha256)
);
comment on table analytics.model_feature_store is 'One row per feature and version; a changed definition is a new version, an unchanged one never is.';
comment on column analytics.model_feature_store.feature_id          is 'Numbers the versions of all features.';
comment on column analytics.model_feature_store.name                is 'The feature''s name.';
comment on column analytics.model_feature_store.version             is 'Counts the definitions of the name, from 1.';
comment on column analytics.model_feature_store.definition_sha256   is 'SHA-256 of the definition: the same is the same version.';
comment on column analytics.model_feature_store.definition          is 'The whole definition, as JSON.';
comment on column analytics.model_feature_store.dtype               is 'The type of its values.';
comment on column analytics.model_feature_store.entity              is 'What a row of the feature is about: a series.';
comment on column analytics.model_feature_store.granularity         is 'The step for which it is computed.';
comment on column analytics.model_feature_store.source_metric_types is 'The metric types that it is computed from.';
comment on column analytics.model_feature_store.transformation      is 'How it is computed: lag, rolling mean, calendar, …';
comment on column analytics.model_feature_store.owner               is 'Who answers for its definition.';
comment on column analytics.model_feature_store.description         is 'What the feature says, in a sentence.';
comment on column analytics.model_feature_store.created_at          is 'When this version of the definition was first seen.';
comment on column analytics.model_feature_store.quality             is 'Of the newest profile, with its as_of and window; see feature_profiles.';
comment on column analytics.model_feature_store.profile             is 'Of the newest profile. Its histogram edges stay, so that windows compare.';
comment on column analytics.model_feature_store.temporal_pattern    is 'Of the newest profile.';
comment on column analytics.model_feature_store.importance          is 'By live model version (NAME/VERSION): share, rank and kind; as view feature_importance says it.';

create table analytics.model_version_features (
    version_id bigint not null references analytics.model_versions,
    feature_id bigint not null references analytics.model_feature_store,
    importance double precision,
    origin     text   not null default 'declared' check (origin in ('declared', 'inferred')),
    primary key (version_id, feature_id)
);
create index model_version_features_by_feature on analytics.model_version_features (feature_id);
comment on table analytics.model_version_features is 'Which features a version was trained with; importance is the share of the total gain, from 0 to 1.';
comment on column analytics.model_version_features.version_id is 'Of analytics.model_versions.';
comment on column analytics.model_version_features.feature_id is 'Of analytics.model_feature_store.';
comment on column analytics.model_version_features.importance is 'Share of the total gain, from 0 to 1; empty when the model states none.';
comment on column analytics.model_version_features.origin     is 'declared by the model itself, or inferred from the names in its signature.';

create table analytics.feature_profiles (
    feature_id       bigint      not null references analytics.model_feature_store,
    window_start     timestamptz not null,
    window_end       timestamptz not null,
    as_of            timestamptz not null,
    series           int         not null check (series >= 0),
    expected         bigint      not null check (expected >= 0),
    count            bigint      not null check (count >= 0),
    completeness     double precision check (completeness between 0 and 1),
    accuracy         double precision check (accuracy     between 0 and 1),
    consistency      double precision check (consistency  between 0 and 1),
    freshness        double precision check (freshness    between 0 and 1),
    quality          jsonb       not null,
    profile          jsonb       not null,
    temporal_pattern jsonb       not null,
    created_at       timestamptz not null default now(),
    primary key (feature_id, window_start, window_end, as_of),
    check (window_start < window_end and window_end <= as_of)
);
comment on table analytics.feature_profiles is 'One row per feature version, window and time of knowledge: the quality and distribution of its values, and how they move with time. Profiling the same again changes nothing.';
comment on column analytics.feature_profiles.feature_id       is 'Of analytics.model_feature_store.';
comment on column analytics.feature_profiles.window_start     is 'The first time of the window.';
comment on column analytics.feature_profiles.window_end       is 'The window lasts until before this time.';
comment on column analytics.feature_profiles.as_of            is 'The values were computed from what was recorded by this time.';
comment on column analytics.feature_profiles.series           is 'How many series were looked at.';
comment on column analytics.feature_profiles.expected         is 'Series times steps of the window.';
comment on column analytics.feature_profiles.count            is 'Values of the declared dtype in the window.';
comment on column analytics.feature_profiles.completeness     is 'Share of the expected values that are there; empty when none is expected.';
comment on column analytics.feature_profiles.accuracy         is 'Share of the values that are finite and within the declared bounds.';
comment on column analytics.feature_profiles.consistency      is 'Share of the values that are the only one of their key, of the declared dtype, of a series that is as it was before, and the same as in the build before.';
comment on column analytics.feature_profiles.freshness        is 'Share of the series whose newest value is not stale at as_of.';
comment on column analytics.feature_profiles.quality          is 'The four shares with what they rest on.';
comment on column analytics.feature_profiles.profile          is 'Distribution: statistics, quantiles, histogram (counts below, between and above edges), top categories.';
comment on column analytics.feature_profiles.temporal_pattern is 'Means by hour, weekday and month, trend per step, autocorrelation at the season.';
comment on column analytics.feature_profiles.created_at       is 'When the profile was stored.';

create view analytics.feature_importance as
select v.version_id, v.name as model, v.version as model_version,
       exists (select from analytics.model_aliases a
                where a.version_id = v.version_id and a.alias = 'champion' and a.valid_to is null) as champion,
       f.feature_id, f.name as feature, f.version as feature_version,
       e.importance / nullif(sum(e.importance) over of_model, 0) as share,
       case when e.importance is not null then rank() over (of_model order by e.importance desc nulls last) end as rank,
       count(*) over of_model as features,
       case when e.importance is not null then coalesce(v.params ->> 'importance_kind', 'gain') end as kind
  from analytics.model_version_features e
  join analytics.model_versions v using (version_id)
  join analytics.model_feature_store f using (feature_id)
 where v.deleted_at is null
window of_model as (partition by e.version_id);
comment on view analytics.feature_importance is 'One row per live model version and feature: how much of what the model learned rests on it, comparable across models.';
comment on column analytics.feature_importance.version_id      is 'Of analytics.model_versions.';
comment on column analytics.feature_importance.model           is 'The registered model''s name now.';
comment on column analytics.feature_importance.model_version   is 'The number of the model version.';
comment on column analytics.feature_importance.champion        is 'Whether the alias champion points to the version now.';
comment on column analytics.feature_importance.feature_id      is 'Of analytics.model_feature_store.';
comment on column analytics.feature_importance.feature         is 'The feature''s name.';
comment on column analytics.feature_importance.feature_version is 'The version of the feature''s definition.';
comment on column analytics.feature_importance.share           is 'Of the total importance of the model, from 0 to 1; empty when the model states none.';
comment on column analytics.feature_importance.rank            is '1 is the most important of the model''s features.';
comment on column analytics.feature_importance.features        is 'How many features the model has; share × features is 1 for one of average importance.';
comment on column analytics.feature_importance.kind            is 'What importance was measured by: gain (the total gain of a model of trees), or what the run''s parameter importance_kind says.';

-- Values: sets as they were known at a time (offline), and the newest of each series (online) -------------------------------

create table analytics.feature_builds (
    build_id       bigint generated always as identity primary key,
    build_sha256   text   not null unique,
    feature_set    text   not null check (feature_set ~ '^[a-z][a-z0-9_]{0,53}$'),
    label          text   not null,
    features       jsonb  not null check (jsonb_typeof(features) = 'array' and jsonb_array_length(features) > 0),
    selection      jsonb  not null check (jsonb_typeof(selection) = 'object'),
    as_of          timestamptz not null,
    window_start   timestamptz,
    window_end     timestamptz,
    rows           bigint not null check (rows > 0),
    series         int    not null check (series > 0),
    first_at       timestamptz not null,
    last_at        timestamptz not null,
    content_sha256 text   not null,
    built_at       timestamptz not null default clock_timestamp(),
    check (window_start < window_end),
    check (first_at <= last_at)
);
create index feature_builds_by_set on analytics.feature_builds (feature_set, as_of desc);
create index feature_builds_by_content on analytics.feature_builds (content_sha256);
comment on table analytics.feature_builds is 'One row per feature set that was written down: what it holds and what it was made from. The same again is the same build.';
comment on column analytics.feature_builds.build_id       is 'Numbers the builds; the partition of analytics.offline_features that holds the rows.';
comment on column analytics.feature_builds.build_sha256   is 'Digest of the set''s name, label, definitions, selection, as_of and window.';
comment on column analytics.feature_builds.feature_set    is 'The set''s name.';
comment on column analytics.feature_builds.label          is 'The transformation of the selection''s metric type that y is.';
comment on column analytics.feature_builds.features       is 'One object per feature, in the order of the stored arrays: name, version, definition_sha256.';
comment on column analytics.feature_builds.selection      is 'Which series: metric_type, granularity, labels.';
comment on column analytics.feature_builds.as_of          is 'Nothing that was recorded later is in it.';
comment on column analytics.feature_builds.window_start   is 'The first time that was wanted; empty when all were.';
comment on column analytics.feature_builds.window_end     is 'The first time that is left out; empty when all were wanted.';
comment on column analytics.feature_builds.rows           is 'How many rows were written.';
comment on column analytics.feature_builds.series         is 'How many series have rows.';
comment on column analytics.feature_builds.first_at       is 'The earliest step in the rows.';
comment on column analytics.feature_builds.last_at        is 'The newest step in the rows.';
comment on column analytics.feature_builds.content_sha256 is 'Digest of every row and column; a model that was trained on them names it in its lineage.';
comment on column analytics.feature_builds.built_at       is 'When the rows were written.';

create table analytics.offline_features (
    build_id    bigint      not null,
    series_id   bigint      not null,
    observed_at timestamptz not null,
    y           double precision   not null,
    features    double precision[] not null,
    tenant_id   int         not null default 1,
    primary key (build_id, series_id, observed_at)
) partition by list (build_id);
comment on table analytics.offline_features is 'The rows of the builds, a partition for each; views features_<set> give the newest of a set real column names.';
comment on column analytics.offline_features.build_id    is 'Of analytics.feature_builds.';
comment on column analytics.offline_features.series_id   is 'Of analytics.series.';
comment on column analytics.offline_features.observed_at is 'The step that the values are for.';
comment on column analytics.offline_features.y           is 'The label of the set at that step.';
comment on column analytics.offline_features.features    is 'The values in the order of feature_builds.features; NaN is what could not be told.';
comment on column analytics.offline_features.tenant_id   is 'The tenant of the series: a copy, so that a policy needs no join; 1 where there is one only.';

create function analytics.make_offline_build(p_build_id bigint) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on set quote_all_identifiers = off
as $$
declare
    name text := format('offline_features_b%s', p_build_id);
begin
    -- alone until it is full: readers of the other builds wait for nothing
    execute format('create table analytics.%I (like analytics.offline_features including all)', name);
    execute format('alter table analytics.%I alter build_id set default %s', name, p_build_id);
    execute format('grant insert on analytics.%I to %I', name, session_user);
    return format('analytics.%s', name);
end $$;
comment on function analytics.make_offline_build is 'Makes the table of a build''s rows; its name. It belongs to offline_features once attach_offline_build was called.';
revoke execute on function analytics.make_offline_build from public;

create function analytics.attach_offline_build(p_build_id bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on set quote_all_identifiers = off
as $$
begin
    execute format('update analytics.%I f set tenant_id = s.tenant_id from analytics.series s where s.series_id = f.series_id and s.tenant_id <> f.tenant_id',
                   format('offline_features_b%s', p_build_id));
    execute format('alter table analytics.offline_features attach partition analytics.%I for values in (%s)',
                   format('offline_features_b%s', p_build_id), p_build_id);
    execute format('analyze analytics.%I', format('offline_features_b%s', p_build_id));
end $$;
comment on function analytics.attach_offline_build is 'Gives the rows of a build the tenants of their series, and makes them visible.';
revoke execute on function analytics.attach_offline_build from public;

create function analytics.drop_offline_build(p_build_id bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '10s'
set standard_conforming_strings = on set quote_all_identifiers = off
as $$
begin
    execute format('drop table analytics.%I', format('offline_features_b%s', p_build_id));
    delete from analytics.feature_builds where build_id = p_build_id;
end $$;
comment on function analytics.drop_offline_build is 'Drops a build and its rows.';
revoke execute on function analytics.drop_offline_build from public;

create function analytics.show_feature_set(p_feature_set text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on set quote_all_identifiers = off
as $$
declare
    view_name text := format('features_%s', p_feature_set);
    newest    analytics.feature_builds;
    columns   text;
    statement text;
begin
    select * into newest from analytics.feature_builds
     where feature_set = p_feature_set order by as_of desc, build_id desc limit 1;
    if not found then
        execute format('drop view if exists analytics.%I', view_name);
        return;
    end if;
    select string_agg(format('nullif(features[%s], ''NaN'') as %I', place, feature ->> 'name'), ', ' order by place)
      into columns from jsonb_array_elements(newest.features) with ordinality f (feature, place);
    statement := format('view analytics.%I with (security_invoker = true) as select series_id, observed_at, y, %s from analytics.offline_features where build_id = %s',
                        view_name, columns, newest.build_id);
    begin
        execute 'create or replace ' || statement;  -- keeps what was granted
    exception when invalid_table_definition then
        execute format('drop view analytics.%I', view_name);
        execute 'create ' || statement;
    end;
    execute format('comment on view analytics.%I is %L', view_name,
                   format('Feature set %s as it was known at %s (build %s); empty is what could not be told.', p_feature_set,
                          to_char(newest.as_of at time zone 'UTC', 'YYYY-MM-DD HH24:MI "UTC"'), newest.build_id));
end $$;
comment on function analytics.show_feature_set is 'Points the view features_<set> to the newest build of the set; drops it when there is none.';
revoke execute on function analytics.show_feature_set from public;

create table analytics.online_feature_sets (
    feature_set text primary key check (feature_set ~ '^[a-z][a-z0-9_]{0,53}$'),
    features    jsonb not null check (jsonb_typeof(features) = 'array' and jsonb_array_length(features) > 0),
    selection   jsonb not null check (jsonb_typeof(selection) = 'object'),
    as_of       timestamptz not null,
    built_at    timestamptz not null default clock_timestamp()
);
comment on table analytics.online_feature_sets is 'The feature sets whose newest values are served, and what they were made from.';
comment on column analytics.online_feature_sets.feature_set is 'The set''s name.';
comment on column analytics.online_feature_sets.features    is 'One object per feature, in the order of the stored arrays: name, version, definition_sha256.';
comment on column analytics.online_feature_sets.selection   is 'Which series: metric_type, granularity, labels.';
comment on column analytics.online_feature_sets.as_of       is 'The values are those that were known then; a build of an earlier time is refused.';
comment on column analytics.online_feature_sets.built_at    is 'When the values were last written.';

create table analytics.online_features (
    feature_set text        not null references analytics.online_feature_sets on delete cascade,
    series_id   bigint      not null,
    observed_at timestamptz not null,
    target_at   timestamptz not null check (target_at > observed_at),
    features    double precision[] not null,
    changed_at  timestamptz not null default clock_timestamp(),
    tenant_id   int         not null default 1,
    primary key (feature_set, series_id)
);
comment on table analytics.online_features is 'The features of the first time after each series'' newest observation: what a model is to be asked with.';
comment on column analytics.online_features.feature_set is 'Of analytics.online_feature_sets.';
comment on column analytics.online_features.series_id   is 'Of analytics.series.';
comment on column analytics.online_features.observed_at is 'The newest observation of the series; its age is the age of the values.';
comment on column analytics.online_features.target_at   is 'The time that the values are for.';
comment on column analytics.online_features.features    is 'The values in the order of online_feature_sets.features; NaN is what could not be told.';
comment on column analytics.online_features.changed_at  is 'When the values last changed.';
comment on column analytics.online_features.tenant_id   is 'The tenant of the series: a copy, so that a policy needs no join; 1 where there is one only.';

-- Feature values: sets as they were known at a time (offline), and the newest of each series (online).

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
comment on table  analytics.feature_builds is 'One row per feature set that was written down: what it holds and what it was made from. The same again is the same build.';
comment on column analytics.feature_builds.build_sha256   is 'Digest of the set''s name, label, definitions, selection, as_of and window.';
comment on column analytics.feature_builds.label          is 'The transformation of the selection''s metric type that y is.';
comment on column analytics.feature_builds.features       is 'One object per feature, in the order of the stored arrays: name, version, definition_sha256.';
comment on column analytics.feature_builds.as_of          is 'Nothing that was recorded later is in it.';
comment on column analytics.feature_builds.window_end     is 'The first time that is left out; empty when all were wanted.';
comment on column analytics.feature_builds.content_sha256 is 'Digest of every row and column; a model that was trained on them names it in its lineage.';
create index feature_builds_by_set     on analytics.feature_builds (feature_set, as_of desc);
create index feature_builds_by_content on analytics.feature_builds (content_sha256);

create table analytics.offline_features (
    build_id    bigint      not null,
    series_id   bigint      not null,
    observed_at timestamptz not null,
    y           double precision   not null,
    features    double precision[] not null,
    primary key (build_id, series_id, observed_at)
) partition by list (build_id);
comment on table  analytics.offline_features is 'The rows of the builds, a partition for each; views features_<set> give the newest of a set real column names.';
comment on column analytics.offline_features.features is 'The values in the order of feature_builds.features; NaN is what could not be told.';

create table analytics.online_feature_sets (
    feature_set text primary key check (feature_set ~ '^[a-z][a-z0-9_]{0,53}$'),
    features    jsonb not null check (jsonb_typeof(features) = 'array' and jsonb_array_length(features) > 0),
    selection   jsonb not null check (jsonb_typeof(selection) = 'object'),
    as_of       timestamptz not null,
    built_at    timestamptz not null default clock_timestamp()
);
comment on table  analytics.online_feature_sets is 'The feature sets whose newest values are served, and what they were made from.';
comment on column analytics.online_feature_sets.as_of is 'The values are those that were known then; a build of an earlier time is refused.';

create table analytics.online_features (
    feature_set text        not null references analytics.online_feature_sets on delete cascade,
    series_id   bigint      not null,
    observed_at timestamptz not null,
    target_at   timestamptz not null check (target_at > observed_at),
    features    double precision[] not null,
    changed_at  timestamptz not null default clock_timestamp(),
    primary key (feature_set, series_id)
);
comment on table  analytics.online_features is 'The features of the first time after each series'' newest observation: what a model is to be asked with.';
comment on column analytics.online_features.observed_at is 'The newest observation of the series; its age is the age of the values.';
comment on column analytics.online_features.target_at   is 'The time that the values are for.';

create function analytics.make_offline_build(p_build_id bigint) returns text
language plpgsql security definer set search_path = pg_catalog, pg_temp
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

create function analytics.attach_offline_build(p_build_id bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
    execute format('alter table analytics.offline_features attach partition analytics.%I for values in (%s)',
                   format('offline_features_b%s', p_build_id), p_build_id);
    execute format('analyze analytics.%I', format('offline_features_b%s', p_build_id));
end $$;
comment on function analytics.attach_offline_build is 'Makes the rows of a build visible.';

create function analytics.drop_offline_build(p_build_id bigint) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp set lock_timeout = '10s'
as $$
begin
    execute format('drop table analytics.%I', format('offline_features_b%s', p_build_id));
    delete from analytics.feature_builds where build_id = p_build_id;
end $$;
comment on function analytics.drop_offline_build is 'Drops a build and its rows.';

create function analytics.show_feature_set(p_feature_set text) returns void
language plpgsql security definer set search_path = pg_catalog, pg_temp
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

revoke execute on function analytics.make_offline_build, analytics.attach_offline_build, analytics.drop_offline_build,
                           analytics.show_feature_set from public;

-- Profiles of features: what their values were like in a window, and how much each feature matters to each model.

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
comment on table  analytics.feature_profiles is 'One row per feature version, window and time of knowledge: the quality and distribution of its values, and how they move with time. Profiling the same again changes nothing.';
comment on column analytics.feature_profiles.window_end       is 'The window lasts until before this time.';
comment on column analytics.feature_profiles.as_of            is 'The values were computed from what was recorded by this time.';
comment on column analytics.feature_profiles.expected         is 'Series times steps of the window.';
comment on column analytics.feature_profiles.count            is 'Values of the declared dtype in the window.';
comment on column analytics.feature_profiles.completeness     is 'Share of the expected values that are there; empty when none is expected.';
comment on column analytics.feature_profiles.accuracy         is 'Share of the values that are finite and within the declared bounds.';
comment on column analytics.feature_profiles.consistency      is 'Share of the values that are the only one of their key, of the declared dtype, of a series that is as it was before, and the same as in the build before.';
comment on column analytics.feature_profiles.freshness        is 'Share of the series whose newest value is not stale at as_of.';
comment on column analytics.feature_profiles.quality          is 'The four shares with what they rest on.';
comment on column analytics.feature_profiles.profile          is 'Distribution: statistics, quantiles, histogram (counts below, between and above edges), top categories.';
comment on column analytics.feature_profiles.temporal_pattern is 'Means by hour, weekday and month, trend per step, autocorrelation at the season.';

alter table analytics.model_feature_store
    add column quality          jsonb,
    add column profile          jsonb,
    add column temporal_pattern jsonb,
    add column importance       jsonb not null default '{}' check (jsonb_typeof(importance) = 'object');
comment on column analytics.model_feature_store.quality          is 'Of the newest profile, with its as_of and window; see feature_profiles.';
comment on column analytics.model_feature_store.profile          is 'Of the newest profile. Its histogram edges stay, so that windows compare.';
comment on column analytics.model_feature_store.temporal_pattern is 'Of the newest profile.';
comment on column analytics.model_feature_store.importance       is 'By live model version (NAME/VERSION): share, rank and kind; as view feature_importance says it.';

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
comment on view   analytics.feature_importance is 'One row per live model version and feature: how much of what the model learned rests on it, comparable across models.';
comment on column analytics.feature_importance.share    is 'Of the total importance of the model, from 0 to 1; empty when the model states none.';
comment on column analytics.feature_importance.rank     is '1 is the most important of the model''s features.';
comment on column analytics.feature_importance.features is 'How many features the model has; share × features is 1 for one of average importance.';
comment on column analytics.feature_importance.kind     is 'What importance was measured by: gain (the total gain of a model of trees), or what the run''s parameter importance_kind says.';

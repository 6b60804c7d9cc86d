-- Feature definitions with their versions, and how much each matters.

-- name: register_feature
-- adds a feature definition as the next version of its name, unless this very definition is there
insert into analytics.model_feature_store
    (name, version, definition_sha256, definition, dtype, entity, granularity, source_metric_types, transformation, owner, description)
select :name,
       coalesce((select max(version) from analytics.model_feature_store where name = :name), 0) + 1,
       :definition_sha256, :definition, :dtype, :entity, :granularity, :source_metric_types, :transformation, :owner, :description
on conflict (name, definition_sha256) do nothing

-- name: versions_of_definitions
-- the versions of features with these definitions
select f.name, f.version
  from analytics.model_feature_store f
  join unnest(cast(:names as text[]), cast(:digests as text[])) as w (name, definition_sha256) using (name, definition_sha256)

-- name: feature_versions
-- every version of a feature, oldest first
select name, version, definition_sha256, definition, created_at from analytics.model_feature_store where name = :name order by version

-- name: feature_definitions
-- the recorded definitions of some features
select name, definition_sha256, definition from analytics.model_feature_store where definition_sha256 = any(:digests)

-- name: list_features
-- the newest version of each feature, and the live model versions that use it
select distinct on (f.name) f.name, f.version, f.definition_sha256, f.dtype, f.entity, f.granularity, f.source_metric_types,
       f.transformation, f.owner, f.description, (f.definition ->> 'min_value')::float8 as min_value,
       (f.definition ->> 'max_value')::float8 as max_value,
       array(select format('%s/%s', v.name, v.version) from analytics.model_version_features e
               join analytics.model_versions v using (version_id)
              where e.feature_id = f.feature_id and v.deleted_at is null order by v.name, v.version) as used_by
  from analytics.model_feature_store f
 order by f.name, f.version desc

-- name: features_of_model
-- the features of a model's champion, of its newest live version when it has none, with their definitions
with version as (
    select v.version_id
      from analytics.model_versions v
      left join analytics.model_aliases a on a.version_id = v.version_id and a.valid_to is null and a.alias = 'champion'
     where v.name = :name and v.deleted_at is null
     order by a.alias nulls last, v.version desc
     limit 1
)
select f.name, f.version, f.definition
  from version join analytics.model_version_features e using (version_id) join analytics.model_feature_store f using (feature_id)
 order by f.name

-- name: newest_version_using_feature
-- the newest live version that uses a feature and has a recorded selection, champions first
select v.name, v.version, v.lineage -> 'selection' as selection, v.lineage -> 'recipe' ->> 'country' as country
  from analytics.model_feature_store f
  join analytics.model_version_features e using (feature_id)
  join analytics.model_versions v using (version_id)
 where f.name = :name and f.version = :version and v.deleted_at is null and v.lineage -> 'selection' is not null
 order by exists (select from analytics.model_aliases a
                   where a.version_id = v.version_id and a.valid_to is null and a.alias = 'champion') desc,
          v.created_at desc
 limit 1

-- name: feature_importance
-- how much features matter to the live model versions, champions first
select feature, feature_version, model, model_version, champion, share, rank, features, kind
  from analytics.feature_importance
 where (cast(:name as text) is null or feature = :name) and share is not null
 order by champion desc, model, model_version desc, rank, feature

-- name: set_feature_importance
-- stores beside each definition how much the feature matters to the live model versions
update analytics.model_feature_store f
   set importance = n.importance
  from (select s.feature_id,
               coalesce(jsonb_object_agg(format('%s/%s', i.model, i.model_version),
                                         jsonb_build_object('share', i.share, 'rank', i.rank, 'kind', i.kind))
                        filter (where i.share is not null), '{}') as importance
          from analytics.model_feature_store s left join analytics.feature_importance i using (feature_id)
         group by s.feature_id) n
 where n.feature_id = f.feature_id and f.importance is distinct from n.importance

-- name: features_with_bin_edges
-- recorded features by name and version, with the histogram edges of their first profile
select f.feature_id, f.name, f.version, f.profile -> 'edges' as edges
  from analytics.model_feature_store f
  join unnest(cast(:names as text[]), cast(:versions as int[])) as w (name, version) using (name, version)

-- name: add_feature_profiles
-- stores profiles; an equal one is not written again
insert into analytics.feature_profiles as p
       (feature_id, window_start, window_end, as_of, series, expected, count,
        completeness, accuracy, consistency, freshness, quality, profile, temporal_pattern)
select feature_id, window_start, window_end, as_of, series, expected, count,
       completeness, accuracy, consistency, freshness, quality, profile, temporal_pattern
  from jsonb_to_recordset(cast(:document as jsonb) -> 'profiles') as n (
           feature_id bigint, window_start timestamptz, window_end timestamptz, as_of timestamptz,
           series int, expected bigint, count bigint,
           completeness float8, accuracy float8, consistency float8, freshness float8,
           quality jsonb, profile jsonb, temporal_pattern jsonb)
    on conflict (feature_id, window_start, window_end, as_of) do update
   set series = excluded.series, expected = excluded.expected, count = excluded.count,
       completeness = excluded.completeness, accuracy = excluded.accuracy,
       consistency = excluded.consistency, freshness = excluded.freshness,
       quality = excluded.quality, profile = excluded.profile, temporal_pattern = excluded.temporal_pattern, created_at = now()
 where (p.series, p.expected, p.count, p.quality, p.profile, p.temporal_pattern)
       is distinct from (excluded.series, excluded.expected, excluded.count, excluded.quality, excluded.profile, excluded.temporal_pattern)

-- name: set_newest_feature_profiles
-- stores the newest profile of each of these features beside its definition
update analytics.model_feature_store f
   set quality = n.quality, profile = n.profile, temporal_pattern = n.temporal_pattern
  from (select distinct on (feature_id) feature_id, profile, temporal_pattern,
               quality || jsonb_build_object('as_of', as_of, 'window_start', window_start, 'window_end', window_end) as quality
          from analytics.feature_profiles
         where feature_id = any(:feature_ids)
         order by feature_id, as_of desc, window_end desc, window_start) n
 where n.feature_id = f.feature_id
   and (f.quality, f.profile, f.temporal_pattern) is distinct from (n.quality, n.profile, n.temporal_pattern)

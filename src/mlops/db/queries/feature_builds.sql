-- Features built for a window: their sources, their rows, and what is exported of them.

-- name: feature_series
-- the series of a selection with their clocks, labels and places: what features are built for
select series_id, time_zone, labels || jsonb_strip_nulls(jsonb_build_object(
           'customer_id', customer_id, 'route_id', route_id, 'vehicle_id', vehicle_id, 'driver_id', driver_id,
           'site_id', site_id, 'tenant_id', tenant_id::text)) as labels
  from analytics.series
 where metric_type = :metric_type and granularity = :granularity and not total
   and (cast(:labels as jsonb) is null or labels @> :labels)
   and (cast(:series_ids as bigint[]) is null or series_id = any(:series_ids))
   and (cast(:level as text) is null or level = :level)
 order by series_id

-- name: feature_sources
-- the series of another metric type that measure the same place (or the same route, customer … as a whole), per series; of a series that
-- measures only a part of that, which of them measure the whole
with place as (
    select series_id, metric_type, granularity, tenant_id,
           case :entity when 'series'   then jsonb_build_array(customer_id, route_id, vehicle_id, driver_id, site_id, labels)
                        when 'customer' then to_jsonb(customer_id)
                        when 'route'    then to_jsonb(route_id)
                        when 'vehicle'  then to_jsonb(vehicle_id)
                        when 'driver'   then to_jsonb(driver_id)
                        when 'site'     then to_jsonb(site_id) end as place
      from analytics.series where not total
), parts as materialized (
    select part_id, array_agg(whole_id) as wholes from analytics.series_parts
     where metric_type = :metric_type and cast(:entity as text) = any(dimensions) group by part_id
)
select w.series_id, s.series_id as source_id, p.wholes
  from place w join place s using (tenant_id, granularity, place) left join parts p on p.part_id = s.series_id
 where w.series_id = any(:series_ids) and s.metric_type = :metric_type
 order by 1, 2

-- name: feature_history
-- observations of some series as they were known at a time, an array per series because that is faster than single values
with known as (
    select series_id, observed_at, value
      from analytics.time_series_metrics
     where series_id = any(:series_ids) and recorded_at <= :as_of
       and (cast(:start as timestamptz) is null or observed_at >= :start)
    union all
    select series_id, observed_at, value
      from analytics.time_series_revisions
     where series_id = any(:series_ids) and recorded_at <= :as_of and superseded_at > :as_of
       and (cast(:start as timestamptz) is null or observed_at >= :start)
)
select series_id, array_send(array_agg(observed_at order by observed_at)) as ds,
       array_send(array_agg(value order by observed_at)) as y
  from known
 group by series_id
 order by series_id

-- name: feature_newest_observations
-- the newest observation of each series as it was known at a time
select w.series_id, n.observed_at
  from unnest(cast(:series_ids as bigint[])) w (series_id)
  join lateral (select observed_at from analytics.time_series_metrics m
                 where m.series_id = w.series_id and m.recorded_at <= :as_of
                 union all
                select observed_at from analytics.time_series_revisions r
                 where r.series_id = w.series_id and r.recorded_at <= :as_of and r.superseded_at > :as_of
                 order by observed_at desc limit 1) n on true
 order by w.series_id

-- name: feature_build_by_digest
-- the build with exactly this set, definitions, selection, as_of and window
select * from analytics.feature_builds where build_sha256 = :build_sha256

-- name: feature_build_covering
-- the smallest build that holds a window of a set as it was known at a time (the newest time if none is named)
select * from analytics.feature_builds
 where feature_set = :feature_set
   and (cast(:as_of as timestamptz) is null or as_of = :as_of)
   and (window_start is null or window_start <= :start)
   and (window_end is null or window_end >= :end)
   and (cast(:digests as text[]) is null
        or array(select f ->> 'definition_sha256' from jsonb_array_elements(features) with ordinality t (f, n) order by n) = :digests)
 order by as_of desc, rows, build_id
 limit 1

-- name: create_feature_build
-- allocates the number of a new build and creates the table for its rows
select build_id, analytics.make_offline_build(build_id) as rows_table
  from nextval(pg_get_serial_sequence('analytics.feature_builds', 'build_id')) build_id

-- name: attach_feature_build
-- attaches the rows of a build, which makes them visible
select analytics.attach_offline_build(:build_id)

-- name: add_feature_build
-- records a build
insert into analytics.feature_builds
    (build_id, build_sha256, feature_set, label, features, selection, as_of, window_start, window_end,
     rows, series, first_at, last_at, content_sha256)
overriding system value
values (:build_id, :build_sha256, :feature_set, :label, cast(:features as jsonb), :selection, :as_of, :window_start, :window_end,
        :rows, :series, :first_at, :last_at, :content_sha256)

-- name: point_feature_set_view
-- points the view of a feature set to its newest build
select analytics.show_feature_set(:feature_set)

-- name: feature_build_rows
-- the rows of a build in a window, an array per series and column because that is faster than millions of single values
select series_id, count(*) as rows, array_send(array_agg(observed_at order by observed_at)) as ds,
       array_send(array_agg(y order by observed_at)) as y,
       array_send(array_agg(features order by observed_at)) as features
  from analytics.offline_features
 where build_id = :build_id
   and (cast(:start as timestamptz) is null or observed_at >= :start)
   and (cast(:end as timestamptz) is null or observed_at < :end)
 group by series_id
 order by series_id

-- name: list_feature_builds
-- the builds of the feature sets, newest first, with the live model versions that were trained on exactly those rows
select b.*, pg_total_relation_size(to_regclass(format('analytics.offline_features_b%s', b.build_id))) as bytes,
       array(select format('%s/%s', v.name, v.version) from analytics.model_versions v
              where v.lineage ->> 'content_sha256' = b.content_sha256 and v.deleted_at is null
              order by v.name, v.version) as used_by
  from analytics.feature_builds b
 where (cast(:feature_set as text) is null or feature_set = :feature_set)
   and (cast(:build_id as bigint) is null or build_id = :build_id)
 order by as_of desc, build_id desc

-- name: drop_feature_build
-- drops a build and its rows
select analytics.drop_offline_build(:build_id)

-- name: export_feature_sets
-- the feature sets that have a build, as their newest one has them, for export
select distinct on (b.feature_set) b.feature_set as name, b.selection,
       (select jsonb_agg(jsonb_build_object('version', s.version, 'definition', s.definition) order by t.place)
          from jsonb_array_elements(b.features) with ordinality t (feature, place)
          join analytics.model_feature_store s
            on (s.name, s.definition_sha256) = (t.feature ->> 'name', t.feature ->> 'definition_sha256')) as features
  from analytics.feature_builds b
 order by b.feature_set, b.as_of desc, b.build_id desc

-- name: export_feature_services
-- the live model versions whose features are all in the newest build of a set, each with the smallest such set
with newest as (
    select distinct on (feature_set) feature_set, features
      from analytics.feature_builds
     order by feature_set, as_of desc, build_id desc
), columns as (
    select n.feature_set, jsonb_array_length(n.features) as width, f ->> 'name' as name, f ->> 'definition_sha256' as definition_sha256
      from newest n cross join lateral jsonb_array_elements(n.features) f
), used as (
    select v.name as model, v.version, f.name, f.definition_sha256, count(*) over (partition by v.version_id) as total
      from analytics.model_versions v
      join analytics.model_version_features e using (version_id)
      join analytics.model_feature_store f using (feature_id)
     where v.deleted_at is null
)
select distinct on (u.model, u.version) u.model, u.version, c.feature_set, array_agg(u.name order by u.name) as features
  from used u join columns c using (name, definition_sha256)
 group by u.model, u.version, u.total, c.feature_set, c.width
having count(*) = u.total
 order by u.model, u.version, c.width, c.feature_set

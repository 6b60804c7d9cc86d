-- The newest values of features, served.

-- name: set_online_feature_set
-- the set whose newest values are served, as it is now known; nothing when a later time is there already
insert into analytics.online_feature_sets (feature_set, features, selection, as_of)
values (:feature_set, cast(:features as jsonb), :selection, :as_of)
on conflict (feature_set) do update
   set features = excluded.features, selection = excluded.selection, as_of = excluded.as_of, built_at = clock_timestamp()
 where online_feature_sets.as_of <= excluded.as_of

-- name: create_online_arriving
-- the table that the newest values are copied into
create temporary table online_arriving (
    series_id bigint, observed_at timestamptz, target_at timestamptz, features double precision[]
) on commit drop

-- name: upsert_online_features
-- writes the newest values of the series whose values are other, to the last bit
insert into analytics.online_features (feature_set, series_id, tenant_id, observed_at, target_at, features)
select :feature_set, series_id, s.tenant_id, observed_at, target_at, features from online_arriving join analytics.series s using (series_id)
on conflict (feature_set, series_id) do update
   set observed_at = excluded.observed_at, target_at = excluded.target_at, features = excluded.features, changed_at = clock_timestamp()
 where online_features.observed_at <> excluded.observed_at or online_features.target_at <> excluded.target_at
    or array_send(online_features.features) <> array_send(excluded.features)

-- name: delete_online_features
-- forgets series that the set has no more
delete from analytics.online_features o
 where feature_set = :feature_set and not exists (select from online_arriving a where a.series_id = o.series_id)

-- name: online_features
-- the newest values of some series of a set, an array per column
select s.features as definitions, s.selection, s.as_of, v.*
  from analytics.online_feature_sets s,
       lateral (select array_send(array_agg(o.series_id order by o.series_id)) as series_id,
                       array_send(array_agg(o.observed_at order by o.series_id)) as observed_at,
                       array_send(array_agg(o.target_at order by o.series_id)) as target_at,
                       array_send(array_agg(o.features order by o.series_id)) as features
                  from analytics.online_features o
                 where o.feature_set = s.feature_set and o.series_id = any(:series_ids)) v
 where s.feature_set = :feature_set

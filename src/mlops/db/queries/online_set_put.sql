-- the set whose newest values are served, as it is now known; nothing when a later time is there already
insert into analytics.online_feature_sets (feature_set, features, selection, as_of)
values (:feature_set, cast(:features as jsonb), :selection, :as_of)
on conflict (feature_set) do update
   set features = excluded.features, selection = excluded.selection, as_of = excluded.as_of, built_at = clock_timestamp()
 where online_feature_sets.as_of <= excluded.as_of

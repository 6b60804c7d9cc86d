-- writes the newest values of the series whose values are other, to the last bit
insert into analytics.online_features (feature_set, series_id, observed_at, target_at, features)
select :feature_set, series_id, observed_at, target_at, features from online_arriving
on conflict (feature_set, series_id) do update
   set observed_at = excluded.observed_at, target_at = excluded.target_at, features = excluded.features, changed_at = clock_timestamp()
 where online_features.observed_at <> excluded.observed_at or online_features.target_at <> excluded.target_at
    or array_send(online_features.features) <> array_send(excluded.features)

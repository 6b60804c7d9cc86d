-- records a build, and makes the table of its rows
with added as (
    insert into analytics.feature_builds
        (build_sha256, feature_set, label, features, selection, as_of, window_start, window_end,
         rows, series, first_at, last_at, content_sha256)
    values (:build_sha256, :feature_set, :label, cast(:features as jsonb), :selection, :as_of, :window_start, :window_end,
            :rows, :series, :first_at, :last_at, :content_sha256)
    returning build_id
)
select build_id, analytics.make_offline_build(build_id) as rows_table from added

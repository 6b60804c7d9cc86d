-- records a build
insert into analytics.feature_builds
    (build_id, build_sha256, feature_set, label, features, selection, as_of, window_start, window_end,
     rows, series, first_at, last_at, content_sha256)
overriding system value
values (:build_id, :build_sha256, :feature_set, :label, cast(:features as jsonb), :selection, :as_of, :window_start, :window_end,
        :rows, :series, :first_at, :last_at, :content_sha256)

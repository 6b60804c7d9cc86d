-- records one finding of one week; repeating it changes nothing
insert into analytics.model_performance_tracking
       (version_id, as_of, window_start, window_end, kind, subject, statistic, threshold, drifted, detail)
values (:version_id, :as_of, :window_start, :window_end, :kind, :subject,
        nullif(cast(:statistic as float8), 'NaN'), nullif(cast(:threshold as float8), 'NaN'), :drifted, :detail)
    on conflict (version_id, as_of, kind, subject) do nothing

-- records one finding of one week; a later check of the same week replaces what it found otherwise
insert into analytics.model_performance_tracking as t
       (version_id, as_of, window_start, window_end, kind, subject, statistic, threshold, drifted, detail)
values (:version_id, :as_of, :window_start, :window_end, :kind, :subject,
        nullif(cast(:statistic as float8), 'NaN'), nullif(cast(:threshold as float8), 'NaN'), :drifted, :detail)
    on conflict (version_id, as_of, kind, subject) do update
       set statistic = excluded.statistic, threshold = excluded.threshold, drifted = excluded.drifted, detail = excluded.detail
     where (t.statistic, t.threshold, t.drifted, t.detail)
           is distinct from (excluded.statistic, excluded.threshold, excluded.drifted, excluded.detail)

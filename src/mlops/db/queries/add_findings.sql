-- records the findings of one check; a later check of the same week replaces what it found otherwise
insert into analytics.model_performance_tracking as t
       (version_id, as_of, window_start, window_end, kind, subject, slice, statistic, threshold, drifted, detail, change)
select :version_id, :as_of, :window_start, :window_end, kind, subject, slice, nullif(statistic, 'NaN'), nullif(threshold, 'NaN'), drifted, detail, nullif(change, 'null')
  from unnest(cast(:kinds as text[]), cast(:subjects as text[]), cast(:slices as text[]), cast(:statistics as float8[]),
              cast(:thresholds as float8[]), cast(:drifted as boolean[]), cast(:details as text[]),
              cast(:changes as jsonb[]))
       as f (kind, subject, slice, statistic, threshold, drifted, detail, change)
    on conflict (version_id, as_of, kind, subject, slice) do update
       set statistic = excluded.statistic, threshold = excluded.threshold, drifted = excluded.drifted, detail = excluded.detail,
           change = excluded.change
     where (t.statistic, t.threshold, t.drifted, t.detail, t.change)
           is distinct from (excluded.statistic, excluded.threshold, excluded.drifted, excluded.detail, excluded.change)

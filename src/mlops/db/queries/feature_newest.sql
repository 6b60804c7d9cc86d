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

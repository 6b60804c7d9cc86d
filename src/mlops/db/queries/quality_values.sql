-- the values of some series from where their scores may change, with everything that those scores look back on
select t.series_id, v.at, v.y, v.quality_score
  from unnest(cast(:series_ids as bigint[]), cast(:since as timestamptz[])) t (series_id, since)
  left join lateral (  -- the window before the change
       select observed_at, value from analytics.time_series_metrics
        where series_id = t.series_id and observed_at < t.since
        order by observed_at desc offset cast(:window as int) - 1 limit 1) a on true
  left join lateral (  -- where a flat line that reaches into it began
       select observed_at from analytics.time_series_metrics
        where series_id = t.series_id and observed_at < a.observed_at and value <> a.value
        order by observed_at desc limit 1) r on true
  left join lateral (  -- the window before that, by which the flat line is judged
       select observed_at from analytics.time_series_metrics
        where series_id = t.series_id and observed_at < r.observed_at
        order by observed_at desc offset cast(:window as int) + 1 limit 1) c on true
  cross join lateral (
       select array_agg(date_part('epoch', observed_at) order by observed_at) as at,
              array_agg(value order by observed_at) as y,
              array_agg(quality_score order by observed_at) as quality_score
         from analytics.time_series_metrics
        where series_id = t.series_id and observed_at >= coalesce(c.observed_at, '-infinity')) v

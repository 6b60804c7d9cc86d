-- The seasonal profile of each series.

-- name: profile_series
-- the series of a metric type, or all, with their possible seasons; series that are profiled alike are adjacent
select s.series_id, s.granularity, s.time_zone, s.anchor, t.seasons
  from analytics.series s join analytics.metric_types t on t.name = s.metric_type
 where not s.total and (cast(:metric_type as text) is null or s.metric_type = :metric_type)
 order by s.granularity, s.time_zone, s.anchor, t.seasons, s.series_id

-- name: profile_due
-- the series whose profile is missing, outdated by version or by some days, with their possible seasons; alike ones are adjacent
select s.series_id, s.granularity, s.time_zone, s.anchor, t.seasons
  from analytics.series s join analytics.metric_types t on t.name = s.metric_type
 where s.seasonality is null or s.seasonality -> 'version' is distinct from to_jsonb(cast(:version as int))
    or exists (select from analytics.time_series_metrics m
                where m.series_id = s.series_id
                  and m.observed_at >= cast(s.seasonality ->> 'to' as timestamptz) + make_interval(days => cast(:days as int)))
 order by s.granularity, s.time_zone, s.anchor, t.seasons, s.series_id

-- name: profile_values
-- the trusted history of some series, one array per series and column because that is faster than millions of single values
select series_id, max(recorded_at) as as_of, array_send(array_agg(observed_at order by observed_at)) as observed_at,
       array_send(array_agg(value order by observed_at)) as value
  from analytics.time_series_metrics
 where series_id = any(:series_ids) and coalesce(quality_score, 1) > 0
 group by series_id

-- name: profile_store
-- stores the profiles that have changed
update analytics.series s set seasonality = p.document
  from unnest(cast(:series_ids as bigint[]), cast(:documents as jsonb[])) p (series_id, document)
 where s.series_id = p.series_id and s.seasonality is distinct from p.document

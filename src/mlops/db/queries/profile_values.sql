-- the trusted history of some series, packed (big-endian seconds and doubles), because millions of single values are slow to pass
select series_id, max(recorded_at) as as_of,
       string_agg(int8send(cast(date_part('epoch', observed_at) as bigint)), cast('' as bytea) order by observed_at) as seconds,
       string_agg(float8send(value), cast('' as bytea) order by observed_at) as y
  from analytics.time_series_metrics
 where series_id = any(:series_ids) and coalesce(quality_score, 1) > 0
 group by series_id

-- the series whose profile is missing, of another version or some days behind, with the seasons that they may have; alike ones together
select s.series_id, s.granularity, s.time_zone, s.anchor, t.seasons
  from analytics.series s join analytics.metric_types t on t.name = s.metric_type
 where s.seasonality is null or s.seasonality -> 'version' is distinct from to_jsonb(cast(:version as int))
    or exists (select from analytics.time_series_metrics m
                where m.series_id = s.series_id
                  and m.observed_at >= cast(s.seasonality ->> 'to' as timestamptz) + make_interval(days => cast(:days as int)))
 order by s.granularity, s.time_zone, s.anchor, t.seasons, s.series_id

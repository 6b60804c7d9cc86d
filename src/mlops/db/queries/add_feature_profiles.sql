-- keeps profiles; one that is there already, the same, is not written again
insert into analytics.feature_profiles as p
       (feature_id, window_start, window_end, as_of, series, expected, count,
        completeness, accuracy, consistency, freshness, quality, profile, temporal_pattern)
select feature_id, window_start, window_end, as_of, series, expected, count,
       completeness, accuracy, consistency, freshness, quality, profile, temporal_pattern
  from jsonb_to_recordset(cast(:document as jsonb) -> 'profiles') as n (
           feature_id bigint, window_start timestamptz, window_end timestamptz, as_of timestamptz,
           series int, expected bigint, count bigint,
           completeness float8, accuracy float8, consistency float8, freshness float8,
           quality jsonb, profile jsonb, temporal_pattern jsonb)
    on conflict (feature_id, window_start, window_end, as_of) do update
   set series = excluded.series, expected = excluded.expected, count = excluded.count,
       completeness = excluded.completeness, accuracy = excluded.accuracy,
       consistency = excluded.consistency, freshness = excluded.freshness,
       quality = excluded.quality, profile = excluded.profile, temporal_pattern = excluded.temporal_pattern, created_at = now()
 where (p.series, p.expected, p.count, p.quality, p.profile, p.temporal_pattern)
       is distinct from (excluded.series, excluded.expected, excluded.count, excluded.quality, excluded.profile, excluded.temporal_pattern)

-- stores the profiles that have changed
update analytics.series s set seasonality = p.document
  from unnest(cast(:series_ids as bigint[]), cast(:documents as jsonb[])) p (series_id, document)
 where s.series_id = p.series_id and s.seasonality is distinct from p.document

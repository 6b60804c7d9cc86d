-- what versions forecast since a time, each and (version_id null) together; a target is no longer before its issue than 28 days,
-- or the recent days of steps that are longer
select p.version_id, count(*) as forecasts, count(distinct p.series_id) as series, max(p.issued_at) as last_issued_at
  from analytics.model_prediction_results p
 where p.version_id = any(:version_ids) and p.parts is null and p.issued_at > :since and p.issued_at <= :as_of
   and p.target_at > cast(:since as timestamptz) - make_interval(days => (
          select coalesce(max(g.recent_days), 28) from analytics.model_versions v
            join analytics.granularities g on g.name = v.lineage -> 'selection' ->> 'granularity' where v.version_id = any(:version_ids)))
 group by grouping sets ((p.version_id), ())

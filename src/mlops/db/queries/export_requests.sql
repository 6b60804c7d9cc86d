-- what was forecast since a time, request by request; a target is no longer before its issue than 28 days,
-- or the recent days of steps that are longer
select p.version_id, p.request_id, p.issued_at, min(p.created_at) as began_at, max(p.created_at) as ended_at,
       count(*) as forecasts, count(distinct p.series_id) as series, min(p.cutoff) as cutoff,
       min(p.target_at) as first_target, max(p.target_at) as last_target
  from analytics.model_prediction_results p
 where p.version_id = any(:version_ids) and p.parts is null and p.issued_at >= :since and p.target_at >= cast(:since as timestamptz) - make_interval(days => (
          select coalesce(max(g.recent_days), 28) from analytics.model_versions v
            join analytics.granularities g on g.name = v.lineage -> 'selection' ->> 'granularity' where v.version_id = any(:version_ids)))
   and p.request_id is not null
 group by p.version_id, p.request_id, p.issued_at
 order by p.version_id, p.issued_at, p.request_id

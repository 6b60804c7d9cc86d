-- what was forecast since a time, request by request; a target is never more than 28 days before its issue
select p.version_id, p.request_id, p.issued_at, min(p.created_at) as began_at, max(p.created_at) as ended_at,
       count(*) as forecasts, count(distinct p.series_id) as series, min(p.cutoff) as cutoff,
       min(p.target_at) as first_target, max(p.target_at) as last_target
  from analytics.model_prediction_results p
 where p.version_id = any(:version_ids) and p.issued_at >= :since and p.target_at >= cast(:since as timestamptz) - interval '28 days'
   and p.request_id is not null
 group by p.version_id, p.request_id, p.issued_at
 order by p.version_id, p.issued_at, p.request_id

-- what versions forecast since a time, each and (version_id null) together; a target is never more than 28 days before its issue
select p.version_id, count(*) as forecasts, count(distinct p.series_id) as series, max(p.issued_at) as last_issued_at
  from analytics.model_prediction_results p
 where p.version_id = any(:version_ids) and p.issued_at > :since and p.issued_at <= :as_of
   and p.target_at > cast(:since as timestamptz) - interval '28 days'
 group by grouping sets ((p.version_id), ())

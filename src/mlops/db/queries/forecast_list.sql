-- what versions forecast from each cutoff, for some series or all, as known at :as_of: how much, and how good it was by the outcomes there were
select p.version_id, p.cutoff, max(p.issued_at) as issued_at, count(distinct p.series_id) as series, max(p.horizon) as steps,
       count(*) as forecasts, count(o.y) as outcomes,
       sum(abs(p.y_hat - o.y)) / nullif(sum(abs(o.y)), 0) as wape
  from analytics.model_prediction_results p
 cross join lateral (select case when p.outcome_recorded_at <= :as_of then p.outcome end as y) o
 where p.version_id = any(:version_ids) and p.target_at >= :start and p.target_at < :end_at and p.issued_at <= :as_of
   and (case when cast(:series_ids as bigint[]) is null then p.parts is null else p.series_id = any(:series_ids) end)
   and p.cutoff >= :cutoff_from and p.cutoff < :cutoff_to
 group by p.version_id, p.cutoff
 order by p.cutoff desc, p.version_id desc

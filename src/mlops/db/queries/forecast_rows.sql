-- the forecasts of versions for some series or all, with the outcomes that were known at :as_of
select p.version_id, p.series_id, p.target_at as ds, p.cutoff, p.y_hat, p.lo_80, p.hi_80, p.lo_95, p.hi_95,
       case when p.outcome_recorded_at <= :as_of then p.outcome end as outcome
  from analytics.model_prediction_results p
 where p.version_id = any(:version_ids) and p.target_at >= :start and p.target_at < :end_at and p.issued_at <= :as_of
   and (case when cast(:series_ids as bigint[]) is null then p.parts is null else p.series_id = any(:series_ids) end)
   and p.cutoff >= :cutoff_from and p.cutoff < :cutoff_to
 order by p.version_id, p.series_id, p.cutoff, p.target_at

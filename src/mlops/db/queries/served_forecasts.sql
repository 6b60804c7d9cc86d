-- a version's freshest forecast of every series and day from one time to another whose outcome was known at :as_of, with when it was issued
select distinct on (p.series_id, p.target_at)
       p.series_id, p.target_at as ds, p.cutoff, p.issued_at, p.horizon, p.y_hat, p.outcome as y
  from analytics.model_prediction_results p
 where p.version_id = :version_id and p.parts is null and p.target_at >= :start and p.target_at < :end_at
   and p.issued_at >= :issued_from and p.issued_at <= :as_of and p.outcome_recorded_at <= :as_of
 order by p.series_id, p.target_at, p.cutoff desc

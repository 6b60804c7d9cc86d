-- the freshest forecast of a version for every series and past day, with the outcome as far as it was known at :as_of, and the seasonal naive from the same cutoff
select distinct on (p.series_id, p.target_at)
       p.series_id, p.target_at as ds, p.cutoff, p.issued_at, p.horizon, p.y_hat, p.lo_80, p.hi_80, p.lo_95, p.hi_95,
       case when p.outcome_recorded_at <= :as_of then p.outcome end as y, n.value as naive
  from analytics.model_prediction_results p
  left join analytics.time_series_metrics n
    on n.series_id = p.series_id
   and n.observed_at = p.target_at - cast(:cycle as interval) * ceil(p.horizon / cast(:steps as float8))
 where p.version_id = :version_id and p.parts is null and p.issued_at <= :as_of and p.target_at < :as_of and p.target_at >= :start
 order by p.series_id, p.target_at, p.cutoff desc

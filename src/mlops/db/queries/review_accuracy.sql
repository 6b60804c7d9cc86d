-- how good a version's forecasts for the last :days days were, and the seasonal naive from the same cutoffs
select count(*) as forecasts,
       sum(abs(p.y_hat - p.outcome)) / nullif(sum(abs(p.outcome)), 0) as wape,
       sum(abs(n.value - p.outcome)) / nullif(sum(abs(p.outcome)), 0) as wape_naive,
       avg((p.outcome between p.lo_80 and p.hi_80)::int)::float8 as coverage_80,
       avg((p.outcome between p.lo_95 and p.hi_95)::int)::float8 as coverage_95
  from analytics.model_prediction_results p
  join analytics.time_series_metrics n
    on n.series_id = p.series_id
   and n.observed_at = p.target_at - cast(:step as interval) * (ceil(p.horizon / cast(:cycle as float8)) * :cycle)
 where p.version_id = :version_id and p.outcome_recorded_at <= :as_of and p.issued_at <= :as_of
   and p.target_at >= :as_of - make_interval(days => :days) and p.target_at < :as_of

-- writes outcomes known at :as_of onto predictions whose outcome is missing or has been corrected since; how many
with meant as materialized (
    select p.version_id, p.series_id, p.cutoff, p.target_at, o.value, o.recorded_at
      from analytics.model_prediction_results p
      join analytics.time_series_metrics o on o.series_id = p.series_id and o.observed_at = p.target_at
     where p.target_at < :as_of and o.recorded_at <= :as_of
       and coalesce(o.quality_score, 1) > 0
       and p.outcome is distinct from o.value
), matched as (
    update analytics.model_prediction_results p
       set outcome = o.value, outcome_recorded_at = o.recorded_at, matched_at = :as_of
      from meant o
     where p.version_id = o.version_id and p.series_id = o.series_id and p.cutoff = o.cutoff and p.target_at = o.target_at
       and p.target_at < :as_of
    returning p.version_id, p.series_id, p.cutoff, p.target_at
), noted as (  -- for the totals that they are part of
    insert into matched_predictions (version_id, series_id, cutoff, target_at) select version_id, series_id, cutoff, target_at from matched
)
select analytics.expect_rows((select count(*) from matched), (select count(*) from meant), 'analytics.model_prediction_results')

-- stores forecasts; what was said before for the same version, series, cutoff and target stands
insert into analytics.model_prediction_results
       (version_id, series_id, issued_at, cutoff, target_at, horizon, y_hat, lo_80, hi_80, lo_95, hi_95, execution_ms, memory_mb, request_id, decomposition, parts)
select version_id, series_id, issued_at, cutoff, target_at, horizon, y_hat, lo_80, hi_80, lo_95, hi_95, execution_ms, memory_mb, request_id, decomposition, parts
  from staged_predictions
 order by version_id, series_id, cutoff, target_at
    on conflict (version_id, series_id, cutoff, target_at) do nothing

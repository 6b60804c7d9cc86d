-- a table of this transaction alone, for COPY
create temporary table staged_predictions on commit drop as
select version_id, series_id, issued_at, cutoff, target_at, horizon, y_hat, lo_80, hi_80, lo_95, hi_95, execution_ms, memory_mb, request_id, decomposition, parts
  from analytics.model_prediction_results with no data

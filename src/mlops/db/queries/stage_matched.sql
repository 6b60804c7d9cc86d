-- a table of this transaction alone: the predictions whose outcomes it writes
create temporary table matched_predictions on commit drop as
select version_id, series_id, cutoff, target_at from analytics.model_prediction_results with no data

-- renews the planner's figures of the partitioned tables, which autovacuum never does
analyze analytics.time_series_metrics, analytics.time_series_revisions, analytics.daily_metrics_summary, analytics.model_prediction_results

-- renews the planner's figures: of partitioned tables, which autovacuum never does, and of what was just summed up
analyze analytics.time_series_metrics, analytics.time_series_revisions, analytics.daily_metrics_summary, analytics.model_prediction_results,
        analytics.series, analytics.month_figures, analytics.customers

drop index if exists analytics.time_series_metrics_recorded;

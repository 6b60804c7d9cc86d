drop function analytics.aggregate_values(text, text, text, date, date, text[], polygon, int);
drop function analytics.latest_values(bigint[]);
drop function analytics.refresh_predictive_views(boolean);
drop function analytics.refreshes_concurrently(text);
drop trigger mark_source on analytics.model_version_features;
drop trigger mark_source on analytics.model_feature_store;
drop trigger mark_source on analytics.model_aliases;
drop trigger mark_source on analytics.model_versions;
drop trigger mark_source on analytics.model_prediction_results;
drop trigger mark_source on analytics.metric_types;
drop trigger mark_source on analytics.routes;
drop trigger mark_source on analytics.customers;
drop function analytics.mark_source();
drop table analytics.view_freshness;
drop materialized view analytics.feature_usage_summary, analytics.model_accuracy_summary, analytics.seasonal_patterns,
                       analytics.route_performance_summary, analytics.customer_behavior_summary;

drop function analytics.aggregate_values(text, text, text, date, date, text[], polygon, int);
drop materialized view analytics.route_performance_summary;
drop materialized view analytics.customer_behavior_summary;
drop view analytics.operational_metrics_aggregates, analytics.customer_behavior_aggregates, analytics.entity_months;
drop function analytics.expected_days(double precision[], int[]);
drop function analytics.weekdays_between(date, date);

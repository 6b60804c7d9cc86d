drop trigger name_customers on analytics.customer_behavior_aggregates;
drop trigger name_operations on analytics.operational_metrics_aggregates;
drop function analytics.name_customers(), analytics.name_operations();

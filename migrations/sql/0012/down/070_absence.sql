alter table analytics.metric_types drop column absence;

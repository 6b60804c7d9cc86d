drop table analytics.webhook_deliveries;

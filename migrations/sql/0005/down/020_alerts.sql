drop table analytics.alert_deliveries;

drop table analytics.alerts;

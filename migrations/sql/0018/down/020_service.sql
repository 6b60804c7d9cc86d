drop table analytics.service_calendar;

drop table analytics.dirty_days;

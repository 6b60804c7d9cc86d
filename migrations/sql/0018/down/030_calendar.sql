drop view analytics.calendar;
drop table analytics.model_calendar_days, analytics.model_calendars;

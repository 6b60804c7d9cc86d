drop table analytics.time_series_staging;
drop function analytics.route_staging(), analytics.series_for(text, text, text, text, text, text, text, jsonb, int), analytics.make_month_alone(date),
    analytics.attach_month(regclass, date);
drop table analytics.unscored, analytics.ingest_progress;

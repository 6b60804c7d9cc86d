drop function analytics.local_day(timestamptz, boolean, text), analytics.step_end(timestamptz, int, int), analytics.label_name(analytics.series, text);

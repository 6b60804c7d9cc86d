drop function analytics.local_day(timestamptz, boolean, text), analytics.step_end(timestamptz, int, int);

drop function analytics.series_name(analytics.series);

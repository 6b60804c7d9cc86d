drop function analytics.forecasts_between(date, date);
drop view analytics.forecasts;

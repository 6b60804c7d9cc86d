-- brings the daily summary, the monthly aggregates and the views up to date; what was done about each
select view_name, refreshed, seconds, rows from analytics.refresh_predictive_views(:force)

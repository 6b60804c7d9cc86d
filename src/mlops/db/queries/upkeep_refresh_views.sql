-- brings rollups and views up to date; one row per view
select view_name, refreshed, seconds, rows from analytics.refresh_predictive_views()

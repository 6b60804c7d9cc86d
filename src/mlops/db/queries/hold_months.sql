-- keeps retention from dropping months of observations and of their revisions until the end of the transaction
lock table only analytics.time_series_metrics, only analytics.time_series_revisions in row exclusive mode

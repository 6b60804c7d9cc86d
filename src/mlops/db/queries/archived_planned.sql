-- tells the planner how many rows of archived months there are, and of which series
analyze pg_temp.archived_metrics, pg_temp.archived_revisions

-- makes room for rows of archived months, and views that show them beside those of the database; gone at the end of the transaction
create temporary table archived_metrics (like analytics.time_series_metrics including defaults including generated) on commit drop;
create temporary table archived_revisions (like analytics.time_series_revisions including defaults including generated) on commit drop;
create temporary view time_series_metrics as
    select * from analytics.time_series_metrics union all select * from pg_temp.archived_metrics;
create temporary view time_series_revisions as
    select * from analytics.time_series_revisions union all select * from pg_temp.archived_revisions

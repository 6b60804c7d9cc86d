-- the months of observations that are archived and not in the database, with the file that would bring them back
select lower_bound as month, path from analytics.archived_months where parent = 'analytics.time_series_metrics'::regclass order by lower_bound

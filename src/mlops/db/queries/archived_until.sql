-- where the newest archived month of observations ends
select max(upper_bound) from analytics.archived_months where parent = 'analytics.time_series_metrics'::regclass

-- whether the database has views to refresh
select to_regprocedure('analytics.refresh_predictive_views()') is not null

-- The parent's index alone: nothing is built, and it stays invalid until every partition has its own.
create index if not exists time_series_metrics_recorded on only analytics.time_series_metrics using brin (recorded_at);

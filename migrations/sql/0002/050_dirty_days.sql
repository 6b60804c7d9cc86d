-- What has changed since the rollups were brought up to date: one row per series and span of days, written with the change itself.

create table analytics.dirty_days (
    mark_id   bigint generated always as identity primary key,
    series_id bigint      not null,
    first_day date        not null,
    last_day  date        not null,
    marked_at timestamptz not null default clock_timestamp(),
    check (first_day <= last_day)
);
comment on table analytics.dirty_days is 'Spans of days whose rollup must be made anew. Whoever writes observations writes the mark in the same transaction; analytics.refresh_predictive_views() takes it away.';

-- everything that is there already
insert into analytics.dirty_days (series_id, first_day, last_day)
select series_id, min(observed_at at time zone 'UTC')::date, max(observed_at at time zone 'UTC')::date
  from analytics.time_series_metrics group by series_id;

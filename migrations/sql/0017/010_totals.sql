-- Totals: forecasts of sums, stored like those of the series that they sum.

alter table analytics.series
    add column total    boolean not null default false,
    add column weeks_of bigint references analytics.series on delete cascade,
    add constraint series_weeks_are_totals check (weeks_of is null or total and granularity = 'weekly');
comment on column analytics.series.total is
'Whether this is a sum that is forecast and never observed: of the series below it, or of the days of weeks_of. Nothing is trained on it and nothing counts it; its outcomes are sums of those of its parts.';
comment on column analytics.series.weeks_of is
'Of weekly totals of days: the daily series whose Mondays to Sundays are summed, which may be a total itself.';
create unique index series_weeks_of on analytics.series (weeks_of) where weeks_of is not null;

alter table analytics.model_prediction_results add column parts int;
comment on column analytics.model_prediction_results.parts is
'Of a total: how many series it sums. Empty for the forecast of a series by itself, which is what accuracy, monitoring and health judge; a sum over forecasts takes these alone, or one level of totals.';

create table analytics.forecast_parts (
    version_id bigint      not null references analytics.model_versions,
    series_id  bigint      not null references analytics.series,
    cutoff     timestamptz not null,
    parts      bigint[]    not null check (cardinality(parts) > 0),
    created_at timestamptz not null default now(),
    primary key (version_id, series_id, cutoff)
);
comment on table  analytics.forecast_parts is 'One row per version, cutoff and total of series (not of weeks): which series were summed. A total that has observations of its own is judged by these, any other by the sum of its parts'' outcomes.';
comment on column analytics.forecast_parts.version_id is 'The version that forecast, of analytics.model_versions.';
comment on column analytics.forecast_parts.series_id  is 'The series of the total, of analytics.series.';
comment on column analytics.forecast_parts.cutoff     is 'The newest step that the forecasts looked back on, as in analytics.model_prediction_results.';
comment on column analytics.forecast_parts.parts      is 'The series that were summed, of analytics.series.';
comment on column analytics.forecast_parts.created_at is 'When the row was stored.';

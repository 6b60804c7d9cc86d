-- What comes in: metric types, series (the dimension), observations (the narrow fact), corrections, and what was refused.

create table analytics.metric_types (
    name      text primary key check (name ~ '^[a-z][a-z0-9_]{1,62}$'),
    unit      text not null,
    aggregate text not null check (aggregate in ('sum', 'mean', 'max', 'last')),
    min_value double precision,
    max_value double precision,
    check (min_value < max_value)
);
comment on table analytics.metric_types is 'What can be measured. Add a row to measure something else.';
insert into analytics.metric_types (name, unit, aggregate, min_value, max_value) values
    ('waste_volume',          'm3',      'sum',  0, null),
    ('collection_weight',     'kg',      'sum',  0, null),
    ('collection_count',      'count',   'sum',  0, null),
    ('missed_collections',    'count',   'sum',  0, null),
    ('container_fill_level',  'percent', 'last', 0, 100),
    ('contamination_rate',    'percent', 'mean', 0, 100),
    ('route_duration',        'minutes', 'sum',  0, null),
    ('route_distance',        'km',      'sum',  0, null),
    ('route_efficiency',      'percent', 'mean', 0, null),
    ('fuel_consumption',      'litres',  'sum',  0, null),
    ('vehicle_utilization',   'percent', 'mean', 0, 100),
    ('driver_efficiency',     'percent', 'mean', 0, null),
    ('service_delay',         'minutes', 'mean', null, null),
    ('customer_activity',     'count',   'sum',  0, null),
    ('customer_satisfaction', 'score',   'mean', 0, 10),
    ('revenue',               'money',   'sum',  null, null);

create table analytics.series (
    series_id        bigint generated always as identity primary key,
    tenant_id        int    not null default 1,
    metric_type      text   not null references analytics.metric_types (name) on update cascade,
    granularity      text   not null default 'daily' check (granularity in ('hourly', 'daily', 'weekly', 'monthly')),
    customer_id      text,
    route_id         text,
    vehicle_id       text,
    driver_id        text,
    site_id          text,
    labels           jsonb  not null default '{}' check (jsonb_typeof(labels) = 'object'),
    service_area     polygon,
    seasonality      jsonb,
    external_factors jsonb,
    created_at       timestamptz not null default now(),
    constraint series_identity unique nulls not distinct
        (tenant_id, metric_type, granularity, customer_id, route_id, vehicle_id, driver_id, site_id, labels)
);
comment on table analytics.series is 'One place (customer, route, vehicle, driver, site, labels) times one metric type. JSON and geometry live here, so that the fact table stays narrow.';
create index series_customer on analytics.series (customer_id) where customer_id is not null;
create index series_route    on analytics.series (route_id)    where route_id is not null;
create index series_labels   on analytics.series using gin (labels jsonb_path_ops);
create index series_area     on analytics.series using gist (service_area);

create table analytics.time_series_metrics (
    series_id     bigint           not null,
    observed_at   timestamptz      not null,
    value         double precision not null check (value > '-infinity' and value < 'infinity'),
    value_lower   double precision,
    value_upper   double precision,
    quality_score real             check (quality_score between 0 and 1),
    is_anomaly    boolean          not null default false,
    anomaly_score real,
    recorded_at   timestamptz      not null default now(),
    primary key (series_id, observed_at)
) partition by range (observed_at);
comment on table analytics.time_series_metrics is 'One observation. A daily value carries 00:00 UTC of its date; recorded_at is when it became known. No foreign key to series: series ids come from one upsert and are never deleted, and a check per row would halve ingest.';
create index time_series_metrics_brin    on analytics.time_series_metrics using brin (observed_at);
create index time_series_metrics_anomaly on analytics.time_series_metrics (series_id, observed_at) where is_anomaly;

create table analytics.time_series_revisions (
    series_id     bigint           not null,
    observed_at   timestamptz      not null,
    value         double precision not null,
    value_lower   double precision,
    value_upper   double precision,
    recorded_at   timestamptz      not null,
    superseded_at timestamptz      not null,
    primary key (series_id, observed_at, superseded_at),
    check (recorded_at <= superseded_at)
);
comment on table analytics.time_series_revisions is 'The old value of every corrected observation: what was known from recorded_at until superseded_at.';

create view analytics.time_series as
select s.tenant_id, s.metric_type, t.unit, s.granularity, s.series_id, s.customer_id, s.route_id, s.vehicle_id, s.driver_id, s.site_id,
       m.observed_at, m.value, m.value_lower, m.value_upper, m.quality_score, m.is_anomaly, m.anomaly_score, m.recorded_at,
       s.labels, s.service_area, s.seasonality, s.external_factors
  from analytics.time_series_metrics m
  join analytics.series s using (series_id)
  join analytics.metric_types t on t.name = s.metric_type;
comment on view analytics.time_series is 'Observations under their wide names.';

create table analytics.ingest_batches (
    batch_id    bigint generated always as identity primary key,
    source      text   not null,
    adapter     text   not null,
    sha256      text   not null,
    status      text   not null check (status in ('stored', 'partly stored', 'refused')),
    read        bigint not null,
    inserted    bigint not null,
    corrected   bigint not null,
    unchanged   bigint not null,
    refused     bigint not null,
    started_at  timestamptz not null,
    finished_at timestamptz not null default now()
);
comment on table analytics.ingest_batches is 'One row per ingested file: what it held and what became of it.';

create table analytics.refused_rows (
    sha256     text   not null,
    line       bigint not null,
    reason     text   not null,
    column_name text,
    found      text,
    raw        jsonb  not null,
    source     text   not null,
    refused_at timestamptz not null default now(),
    primary key (sha256, line, reason)
);
comment on table analytics.refused_rows is 'Rows of a file that could not be taken, each with its reason. The same file sent again adds nothing.';

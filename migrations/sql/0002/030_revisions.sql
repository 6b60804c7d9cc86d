-- Corrections live in monthly partitions like the observations they correct, so that both age together.

create temporary table kept_revisions on commit drop as select * from analytics.time_series_revisions;
drop table analytics.time_series_revisions;

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
) partition by range (observed_at);
comment on table analytics.time_series_revisions is 'The old value of every corrected observation: what was known from recorded_at until superseded_at.';
insert into analytics.partition_policy (parent) values ('analytics.time_series_revisions');

select analytics.ensure_partitions(
    array(select distinct date_trunc('month', observed_at at time zone 'UTC')::date from kept_revisions), 'analytics.time_series_revisions');
-- a month that takes observations takes their corrections
select analytics.ensure_partitions(
    array(select (lower_bound at time zone 'UTC')::date from analytics.month_partitions('analytics.time_series_metrics')),
    'analytics.time_series_revisions');
insert into analytics.time_series_revisions select * from kept_revisions order by series_id, observed_at, superseded_at;
drop table kept_revisions;

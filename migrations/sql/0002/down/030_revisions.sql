create temporary table kept_revisions on commit drop as select * from analytics.time_series_revisions;
delete from analytics.partition_policy where parent = 'analytics.time_series_revisions'::regclass;
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
);
comment on table analytics.time_series_revisions is 'The old value of every corrected observation: what was known from recorded_at until superseded_at.';
insert into analytics.time_series_revisions select * from kept_revisions order by series_id, observed_at, superseded_at;
drop table kept_revisions;

-- makes room for what a batch changes of what is stored, and for new rows that somebody else may be writing, too
drop table if exists pg_temp.changes, pg_temp.changed, pg_temp.scores, pg_temp.arriving;
create temporary table changes (
    series_id bigint, observed_at timestamptz, value double precision, value_lower double precision, value_upper double precision,
    quality_score real, is_anomaly boolean, anomaly_score real
) on commit drop;
create temporary table scores (series_id bigint, observed_at timestamptz, quality_score real) on commit drop;
create temporary table arriving (
    series_id bigint, observed_at timestamptz, value double precision, value_lower double precision, value_upper double precision,
    quality_score real, is_anomaly boolean default false, anomaly_score real, recorded_at timestamptz default now()
) on commit drop

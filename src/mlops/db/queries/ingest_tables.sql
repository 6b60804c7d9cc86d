-- makes room for what a batch changes of what is stored; gone at the end of the transaction
create temporary table changes (
    series_id bigint, observed_at timestamptz, value double precision, value_lower double precision, value_upper double precision,
    quality_score real, is_anomaly boolean, anomaly_score real
) on commit drop;
create temporary table scores (series_id bigint, observed_at timestamptz, quality_score real) on commit drop

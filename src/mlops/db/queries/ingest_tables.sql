-- makes room for one file: its series, its rows and its refused rows; all gone at the end of the transaction
create temporary table incoming_series (
    series_key int primary key, tenant_id int, metric_type text, granularity text,
    customer_id text, route_id text, vehicle_id text, driver_id text, site_id text, labels jsonb, series_id bigint
) on commit drop;
create temporary table incoming (
    line bigint, series_key int, observed_at timestamptz, value double precision,
    value_lower double precision, value_upper double precision, quality_score real
) on commit drop;
create temporary table incoming_refused (
    line bigint, column_name text, found text, reason text, raw jsonb
) on commit drop;
create temporary table touched (series_id bigint, since timestamptz, inserted bigint, corrected bigint) on commit drop;
create temporary table scores (series_id bigint, observed_at timestamptz, quality_score real) on commit drop

-- the table that the newest values are copied into
create temporary table online_arriving (
    series_id bigint, observed_at timestamptz, target_at timestamptz, features double precision[]
) on commit drop

-- makes room for the spans of the series of a batch; gone at the end of the transaction
create temporary table spans (series_id bigint, first_at timestamptz, last_at timestamptz, look_back int) on commit drop

-- makes room for the identities of the series of one file; gone at the end of the transaction
create temporary table wanted_series (
    key int primary key, tenant_id int, metric_type text, granularity text,
    customer_id text, route_id text, vehicle_id text, driver_id text, site_id text, labels jsonb, time_zone text, anchor int
) on commit drop

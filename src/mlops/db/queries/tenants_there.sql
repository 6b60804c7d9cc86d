-- the tenants that have series
select distinct tenant_id from analytics.series order by tenant_id

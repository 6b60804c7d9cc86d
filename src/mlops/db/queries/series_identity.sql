-- Which series the rows of a file belong to: those that are there, and those that are made.

-- name: create_wanted_series
-- makes room for the identities of the series of one file; gone at the end of the transaction
create temporary table wanted_series (
    key int primary key, tenant_id int, metric_type text, granularity text,
    customer_id text, route_id text, vehicle_id text, driver_id text, site_id text, labels jsonb, time_zone text, anchor int
) on commit drop

-- name: prefer_hash_joins
-- for the rest of the transaction joins by hash or merge: the planner knows nothing of series that have just been made
select set_config('enable_nestloop', 'off', true)

-- name: unknown_time_zones
-- which of these time zones the server does not know
select name from unnest(cast(:names as text[])) as zones (name) where not analytics.is_time_zone(name) order by name

-- name: wanted_series_found
-- the wanted series in the order of their keys; one array is compared, because an absent place equals an absent place and one
-- expression can be hashed
select w.key, s.series_id, s.time_zone, s.anchor
  from wanted_series w
  join analytics.series s
    on jsonb_build_array(s.tenant_id, s.metric_type, s.granularity, s.customer_id, s.route_id, s.vehicle_id, s.driver_id, s.site_id, s.labels)
     = jsonb_build_array(w.tenant_id, w.metric_type, w.granularity, w.customer_id, w.route_id, w.vehicle_id, w.driver_id, w.site_id, w.labels)
 order by w.key

-- name: add_wanted_series
-- adds the wanted series that are not known yet; another session may add the same at this moment
insert into analytics.series (tenant_id, metric_type, granularity, customer_id, route_id, vehicle_id, driver_id, site_id, labels, time_zone, anchor)
select tenant_id, metric_type, granularity, customer_id, route_id, vehicle_id, driver_id, site_id, labels, coalesce(time_zone, 'UTC'), anchor
  from wanted_series w
 where not exists (
       select from analytics.series s
        where jsonb_build_array(s.tenant_id, s.metric_type, s.granularity, s.customer_id, s.route_id, s.vehicle_id, s.driver_id, s.site_id, s.labels)
            = jsonb_build_array(w.tenant_id, w.metric_type, w.granularity, w.customer_id, w.route_id, w.vehicle_id, w.driver_id, w.site_id, w.labels))
 order by tenant_id, metric_type, granularity, customer_id, route_id, vehicle_id, driver_id, site_id, labels
on conflict on constraint series_identity do nothing

-- name: wanted_series_clocks
-- the clocks of the wanted series that are there, and of those that would get a zone the first stored time that does not fit it
select w.key, s.time_zone, s.anchor,
       case when s.time_zone = 'UTC' and w.time_zone <> 'UTC' and not g.dated
            then (select min(m.observed_at) from analytics.time_series_metrics m
                   where m.series_id = s.series_id
                     and not analytics.begins_step(g.seconds, g.months, g.dated, w.time_zone, 0, m.observed_at)) end as off
  from wanted_series w
  join analytics.series s
    on jsonb_build_array(s.tenant_id, s.metric_type, s.granularity, s.customer_id, s.route_id, s.vehicle_id, s.driver_id, s.site_id, s.labels)
     = jsonb_build_array(w.tenant_id, w.metric_type, w.granularity, w.customer_id, w.route_id, w.vehicle_id, w.driver_id, w.site_id, w.labels)
  join analytics.granularities g on g.name = s.granularity

-- name: set_series_clocks
-- series that had no zone or no anchor yet get those that the file says; how many
update analytics.series s
   set time_zone = case when s.time_zone = 'UTC' then coalesce(w.time_zone, 'UTC') else s.time_zone end,
       anchor = coalesce(s.anchor, w.anchor)
  from wanted_series w
 where jsonb_build_array(s.tenant_id, s.metric_type, s.granularity, s.customer_id, s.route_id, s.vehicle_id, s.driver_id, s.site_id, s.labels)
     = jsonb_build_array(w.tenant_id, w.metric_type, w.granularity, w.customer_id, w.route_id, w.vehicle_id, w.driver_id, w.site_id, w.labels)
   and (s.time_zone = 'UTC' and w.time_zone <> 'UTC' or s.anchor is null and w.anchor is not null)

-- name: series_zones
-- the time zones, UTC left out, of series whose steps are shorter than a day
select distinct s.time_zone from analytics.series s join analytics.granularities g on g.name = s.granularity
 where not g.dated and s.time_zone <> 'UTC' order by s.time_zone

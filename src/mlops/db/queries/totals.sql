-- Series that sum others: totals of places, and weeks of days.

-- name: series_of_whole_places
-- the series with observations that measure whole routes, vehicles, drivers, sites or the company, of a metric type
select s.series_id, s.level, s.tenant_id, s.customer_id, s.driver_id, s.vehicle_id, s.route_id, s.site_id
  from analytics.series s
 where s.metric_type = :metric_type and s.granularity = :granularity and s.level <> 'customer' and not s.total
   and (select m.observed_at from analytics.time_series_metrics m where m.series_id = s.series_id limit 1) is not null
 order by s.series_id

-- name: series_places
-- the places of some series, finest first, and what a total of them has in common
select s.series_id, s.level, s.tenant_id, s.customer_id, s.driver_id, s.vehicle_id, s.route_id, s.site_id,
       s.metric_type, s.granularity, s.time_zone, t.aggregate
  from analytics.series s join analytics.metric_types t on t.name = s.metric_type
 where s.series_id = any(:series_ids)
 order by s.series_id

-- name: count_parts_among
-- how many of some series measure a part of what another of them measures
select count(distinct part_id) as parts from analytics.series_parts
 where metric_type = :metric_type and part_id = any(cast(:series_ids as bigint[])) and whole_id = any(cast(:series_ids as bigint[]))

-- name: add_total_series
-- the series of totals by the asked keys; missing ones are created
with wanted as (
    select *
      from unnest(cast(:keys as bigint[]), cast(:tenants as int[]), cast(:zones as text[]), cast(:drivers as text[]), cast(:vehicles as text[]),
                  cast(:routes as text[]), cast(:sites as text[]), cast(:labels as jsonb[]))
           as w (key, tenant_id, time_zone, driver_id, vehicle_id, route_id, site_id, labels)
), made as (
    insert into analytics.series (tenant_id, metric_type, granularity, time_zone, driver_id, vehicle_id, route_id, site_id, labels, total)
    select tenant_id, :metric_type, :granularity, time_zone, driver_id, vehicle_id, route_id, site_id, labels, true from wanted order by key
    on conflict on constraint series_identity do update set total = true
    returning series_id, tenant_id, driver_id, vehicle_id, route_id, site_id, labels
)
select w.key, m.series_id
  from wanted w
  join made m on jsonb_build_array(m.tenant_id, m.driver_id, m.vehicle_id, m.route_id, m.site_id, m.labels)
               = jsonb_build_array(w.tenant_id, w.driver_id, w.vehicle_id, w.route_id, w.site_id, w.labels)
 order by w.key

-- name: add_weekly_series
-- creates the series of weekly totals of some daily series, where they are missing
insert into analytics.series
       (tenant_id, metric_type, granularity, time_zone, anchor, customer_id, route_id, vehicle_id, driver_id, site_id, labels, total, weeks_of)
select tenant_id, metric_type, 'weekly', time_zone, 0, customer_id, route_id, vehicle_id, driver_id, site_id,
       labels || '{"week": "weekly total"}', true, series_id
  from analytics.series s
 where series_id = any(cast(:series_ids as bigint[])) and not exists (select from analytics.series w where w.weeks_of = s.series_id)
 order by series_id
    on conflict do nothing

-- name: weekly_series_of
-- the series of the weekly totals of some daily series
select weeks_of, series_id from analytics.series where weeks_of = any(cast(:series_ids as bigint[])) order by weeks_of

-- name: store_forecast_parts
-- stores which series each total of an issue sums; what is there already is kept
insert into analytics.forecast_parts (version_id, series_id, tenant_id, cutoff, parts)
select :version_id, s.series_id, s.tenant_id, :cutoff, array_agg(p.part_id order by p.part_id)
  from unnest(cast(:totals as bigint[]), cast(:parts as bigint[])) as p (series_id, part_id) join analytics.series s using (series_id)
 group by s.series_id, s.tenant_id
    on conflict (version_id, series_id, cutoff) do nothing

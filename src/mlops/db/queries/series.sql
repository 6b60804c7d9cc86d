-- Series as they are looked up, named and listed.

-- name: selected_series
-- the series of a selection, or all, totals left out, with their clocks, places and labels
select series_id, granularity, time_zone, customer_id, route_id, vehicle_id, driver_id, site_id, labels
  from analytics.series
 where not total and (cast(:metric_type as text) is null or metric_type = :metric_type)
   and (cast(:granularity as text) is null or granularity = :granularity)
   and (cast(:labels as jsonb) is null or labels @> :labels)
   and (cast(:series_ids as bigint[]) is null or series_id = any(:series_ids))
   and (cast(:level as text) is null or level = :level)
 order by series_id

-- name: series_list
-- the series of a metric type and a level, or all, with how much there is of each
select s.series_id, analytics.series_name(s) as name, s.metric_type, s.granularity, s.level, s.time_zone, s.tenant_id, s.customer_id, s.route_id, s.vehicle_id, s.driver_id, s.site_id,
       s.labels, count(m.observed_at) as observations, min(m.observed_at) as first, max(m.observed_at) as last,
       avg(m.quality_score) as quality, count(m.quality_score) as scored, s.total
  from analytics.series s left join analytics.time_series_metrics m using (series_id)
 where (cast(:metric_type as text) is null or s.metric_type = :metric_type)
   and (cast(:level as text) is null or s.level = :level)
 group by s.series_id
 order by s.total, s.series_id

-- name: series_show
-- one series with its unit, how much there is of it, and how often it was corrected
select s.series_id, analytics.series_name(s) as name, s.metric_type, t.unit, s.granularity, s.level, s.time_zone, s.tenant_id, s.customer_id, s.route_id, s.vehicle_id, s.driver_id,
       s.site_id, s.labels, s.created_at, count(m.observed_at) as observations, min(m.observed_at) as first,
       max(m.observed_at) as last, avg(m.quality_score) as quality,
       (select count(*) from analytics.time_series_revisions r where r.series_id = s.series_id) as corrections
  from analytics.series s
  join analytics.metric_types t on t.name = s.metric_type
  left join analytics.time_series_metrics m using (series_id)
 where s.series_id = :series_id
 group by s.series_id, t.unit

-- name: newest_of_series
-- the newest observations of one series
select observed_at, value, quality_score, recorded_at from analytics.time_series_metrics
 where series_id = :series_id order by observed_at desc limit :most

-- name: latest_values
-- the newest observation of each of some series
select series_id, observed_at as ds, value as y, quality_score, is_anomaly, recorded_at
  from analytics.latest_values(cast(:series_ids as bigint[])) order by series_id

-- name: newest_by_granularity
-- the newest observation of each granularity, of the series of a metric type or of all of them
select s.granularity, max(n.observed_at) as newest
  from analytics.series s
 cross join lateral (select m.observed_at from analytics.time_series_metrics m
                      where m.series_id = s.series_id order by m.observed_at desc limit 1) n
 where (cast(:metric_type as text) is null or s.metric_type = :metric_type)
   and (cast(:granularity as text) is null or s.granularity = :granularity)
 group by s.granularity

-- name: names_of_series
-- the readable names of some series
select series_id, analytics.series_name(s) as name from analytics.series s where series_id = any(:series_ids)

-- name: names_of_selected_series
-- the readable names of the series of a selection, or of all
select series_id, analytics.series_name(series) as name
  from analytics.series
 where (cast(:metric_type as text) is null or metric_type = :metric_type)
   and (cast(:granularity as text) is null or granularity = :granularity)
   and (cast(:labels as jsonb) is null or labels @> cast(:labels as jsonb))
   and (cast(:level as text) is null or level = :level)
   and (not total or cast(:granularity as text) is null)  -- a selection has no totals
 order by series_id

-- name: series_with_all_names
-- series with everything that people may call them: their name, their places, their labels
select s.series_id, s.metric_type, s.granularity, analytics.series_name(s) as name,
       array_remove(array[analytics.series_name(s), s.customer_id, s.route_id, s.vehicle_id, s.driver_id, s.site_id], null)
       || coalesce((select array_agg(value) from jsonb_each_text(s.labels)), '{}') as names
  from analytics.series s
 where not s.total and (cast(:metric_type as text) is null or s.metric_type = :metric_type)
   and (cast(:labels as jsonb) is null or s.labels @> :labels)
 order by s.series_id

-- name: tenants_with_series
-- the tenants that have series
select distinct tenant_id from analytics.series order by tenant_id

-- name: places_with_series
-- the customers, routes, vehicles, drivers or sites (the dimension) that series have
select distinct p.id
  from analytics.series s
 cross join lateral (select case :dimension when 'customer' then s.customer_id when 'route' then s.route_id
                                            when 'vehicle' then s.vehicle_id when 'driver' then s.driver_id
                                            when 'site' then s.site_id end as id) p
 where p.id is not null
 order by p.id

-- name: places_without_series
-- which of these customers, routes, vehicles, drivers or sites (the dimension) no series has
select w.id
  from unnest(cast(:ids as text[])) with ordinality as w(id, place)
 where w.id not in (
       select case :dimension when 'customer' then s.customer_id when 'route' then s.route_id
                              when 'vehicle' then s.vehicle_id when 'driver' then s.driver_id
                              when 'site' then s.site_id end
         from analytics.series s
        where case :dimension when 'customer' then s.customer_id when 'route' then s.route_id
                              when 'vehicle' then s.vehicle_id when 'driver' then s.driver_id
                              when 'site' then s.site_id end = any(cast(:ids as text[])))
 order by w.place

-- name: label_values
-- the labels that series (of a metric type, of a granularity) have, and the values of each
select label.key, array_agg(distinct label.value order by label.value) as values
  from analytics.series, jsonb_each_text(labels) as label
 where (cast(:metric_type as text) is null or metric_type = :metric_type)
   and (cast(:granularity as text) is null or granularity = :granularity)
   and not total
 group by label.key
 order by label.key

-- name: series_slices
-- the slice to which each series of a model belongs, for every asked dimension: a column, a label, or an attribute of its route or
-- customer
select s.series_id, b.name as by,
       coalesce(s.labels ->> b.name,
                case b.name when 'granularity'  then s.granularity
                            when 'metric_type'  then s.metric_type
                            when 'customer_id'  then s.customer_id
                            when 'route_id'     then s.route_id
                            when 'vehicle_id'   then s.vehicle_id
                            when 'driver_id'    then s.driver_id
                            when 'site_id'      then s.site_id
                            when 'segment'      then c.segment
                            when 'depot'        then r.depot
                            when 'service_area' then coalesce(cast(s.service_area as text), cast(r.service_area as text)) end,
                r.attributes ->> b.name, c.attributes ->> b.name) as value
  from analytics.series s
 cross join unnest(cast(:by as text[])) b (name)
  left join analytics.routes    r on r.tenant_id = s.tenant_id and r.route_id = s.route_id
  left join analytics.customers c on c.tenant_id = s.tenant_id and c.customer_id = s.customer_id
 where s.series_id = any(cast(:series_ids as bigint[]))
 order by b.name, s.series_id

-- name: silent_series
-- series that have sent nothing new for longer than they usually do, as known at :as_of: how long they are silent, and what is usual (days)
-- (usual is, of the newest 28 usable observations: the gap that one in ten exceeds, and the delay until it was recorded; silent is three gaps
-- and a delay without news; quality of the time from the first later observation on was not known at :as_of, so it is not asked)
with newest as (
    select s.series_id, n.observed_at, n.recorded_at, n.observed_at - lag(n.observed_at) over (partition by s.series_id order by n.observed_at) as gap
      from unnest(cast(:series_ids as bigint[])) s (series_id)
     cross join lateral (
           select min(l.observed_at) as since from analytics.time_series_metrics l
            where l.series_id = s.series_id and l.observed_at >= :start and l.recorded_at > :as_of) later
     cross join lateral (
           select m.observed_at, m.recorded_at from analytics.time_series_metrics m
            where m.series_id = s.series_id and m.observed_at >= :start and m.observed_at < :as_of and m.recorded_at <= :as_of
              and (coalesce(m.quality_score, 1) > 0 or m.observed_at >= later.since)
            order by m.observed_at desc limit 28) n
), rhythm as (
    select series_id, max(observed_at) as last_at, count(gap) as gaps,
           date_part('epoch', cast(:as_of as timestamptz) - max(observed_at)) / 86400 as silent,
           date_part('epoch', percentile_disc(0.9) within group (order by gap)) / 86400 as gap,
           date_part('epoch', percentile_disc(0.9) within group (order by recorded_at - observed_at)) / 86400 as delay
      from newest group by series_id
)
select series_id, analytics.series_name(s) as name, last_at, silent, gap, delay from rhythm join analytics.series s using (series_id)
 where gaps >= 7 and silent > 3 * gap + delay
 order by series_id

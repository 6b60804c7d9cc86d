-- Months of entities as they are read: a month without any observation is a row, too, with the number of days on which something
-- was to be expected, and changes are over the days of the calendar where absence means zero.

create function analytics.weekdays_between(p_from date, p_to date) returns int[]
language sql immutable
as $$
    select case when p_to > p_from then array[
        (p_to - date '1900-01-01' + 6) / 7 - (p_from - date '1900-01-01' + 6) / 7, (p_to - date '1900-01-01' + 5) / 7 - (p_from - date '1900-01-01' + 5) / 7,
        (p_to - date '1900-01-01' + 4) / 7 - (p_from - date '1900-01-01' + 4) / 7, (p_to - date '1900-01-01' + 3) / 7 - (p_from - date '1900-01-01' + 3) / 7,
        (p_to - date '1900-01-01' + 2) / 7 - (p_from - date '1900-01-01' + 2) / 7, (p_to - date '1900-01-01' + 1) / 7 - (p_from - date '1900-01-01' + 1) / 7,
        (p_to - date '1900-01-01') / 7 - (p_from - date '1900-01-01') / 7] else '{0,0,0,0,0,0,0}' end
$$;
comment on function analytics.weekdays_between is 'How many Mondays, Tuesdays … Sundays there are from p_from until before p_to.';

create function analytics.expected_days(p_served double precision[], p_calendar int[]) returns int
language sql immutable
as $$
    select round(coalesce(p_served[1], 0) * p_calendar[1] + coalesce(p_served[2], 0) * p_calendar[2] + coalesce(p_served[3], 0) * p_calendar[3]
                 + coalesce(p_served[4], 0) * p_calendar[4] + coalesce(p_served[5], 0) * p_calendar[5] + coalesce(p_served[6], 0) * p_calendar[6]
                 + coalesce(p_served[7], 0) * p_calendar[7])::int
$$;
comment on function analytics.expected_days is 'On how many days something is to be expected, of as many Mondays … Sundays as p_calendar says, when p_served is the share of them on which something came before (null where there were none).';

create view analytics.entity_months with (security_invoker = true) as
with stored as (
    select m.*, t.aggregate = 'sum' and t.absence = 'zero' as counts_silence, k.until_day as known_until, k.month as newest_month,
           min(m.first_day) over e as begins, (m.month + interval '1 month')::date as month_end
      from analytics.month_figures m
      join analytics.metric_types t on t.name = m.metric_type
     cross join lateral (select u.until_day, u.month from analytics.month_figures u
                          where u.tenant_id = m.tenant_id and u.metric_type = m.metric_type order by u.until_day desc, u.month desc limit 1) k
    window e as (partition by m.tenant_id, m.dimension, m.entity_id, m.metric_type order by m.month)
), lived as (
    select s.*, analytics.weekdays_between(greatest(s.month, s.begins), least(s.month_end, s.known_until + 1)) as calendar,
           lead(s.month) over (partition by s.tenant_id, s.dimension, s.entity_id, s.metric_type order by s.month) as next_month
      from stored s
), learnt as (  -- the share of Mondays … Sundays with an observation, in the six newest months that had any
    select l.*, array[least(1, sum(l.weekdays[1]) over w / nullif(sum(l.calendar[1]) over w, 0)::float8),
                      least(1, sum(l.weekdays[2]) over w / nullif(sum(l.calendar[2]) over w, 0)::float8),
                      least(1, sum(l.weekdays[3]) over w / nullif(sum(l.calendar[3]) over w, 0)::float8),
                      least(1, sum(l.weekdays[4]) over w / nullif(sum(l.calendar[4]) over w, 0)::float8),
                      least(1, sum(l.weekdays[5]) over w / nullif(sum(l.calendar[5]) over w, 0)::float8),
                      least(1, sum(l.weekdays[6]) over w / nullif(sum(l.calendar[6]) over w, 0)::float8),
                      least(1, sum(l.weekdays[7]) over w / nullif(sum(l.calendar[7]) over w, 0)::float8)] as served
      from lived l
    window w as (partition by l.tenant_id, l.dimension, l.entity_id, l.metric_type order by l.month rows between 5 preceding and current row)
), before as (
    select l.*, coalesce(lag(l.served) over (partition by l.tenant_id, l.dimension, l.entity_id, l.metric_type order by l.month), l.served) as served_before
      from learnt l
), months as (
    select b.tenant_id, b.dimension, b.entity_id, b.metric_type, g.month, g.month = b.month as found, b.counts_silence,
           b.series, b.days, b.observations, b.value, b.day_mean, b.day_min, b.day_max, b.last_day, b.quality, b.anomalies, b.refreshed_at,
           greatest(0, g.until - g.since) as calendar_days, analytics.expected_days(g.served, g.calendar) as expected_days
      from before b
     cross join lateral (
           select d.month, d.since, d.until, analytics.weekdays_between(d.since, d.until) as calendar,
                  case when d.month = b.month then b.served_before else b.served end as served
             from (select month::date, greatest(month::date, b.begins) as since, least((month + interval '1 month')::date, b.known_until + 1) as until
                     from generate_series(b.month::timestamp, greatest(b.month, coalesce((b.next_month - interval '1 month')::date, b.newest_month))::timestamp,
                                          interval '1 month') month) d
           offset 0) g
)
select m.tenant_id, m.dimension, m.entity_id, m.metric_type, m.month,
       case when m.found then m.series else 0 end as series, case when m.found then m.days else 0 end as days,
       case when m.found then m.observations else 0 end as observations,
       case when m.found then m.value when m.counts_silence then 0 end as value,
       case when m.found then m.day_mean end as day_mean, case when m.found then m.day_min end as day_min,
       case when m.found then m.day_max end as day_max, case when m.found then m.last_day end as last_day,
       case when m.found then m.quality end as quality, case when m.found then m.anomalies else 0 end as anomalies,
       a_day.mean / nullif(analytics.tame(lag(a_day.mean) over (partition by m.tenant_id, m.dimension, m.entity_id, m.metric_type order by m.month)), 0) - 1 as change,
       m.refreshed_at, m.calendar_days, m.expected_days, m.counts_silence
  from months m
 cross join lateral (
       select case when m.counts_silence then case when m.found then m.value else 0 end / nullif(m.calendar_days, 0) when m.found then m.day_mean end as mean) a_day;
comment on view analytics.entity_months is 'One row per customer, route, vehicle, driver or site, metric type and month, from its first observation on; a month without any is a row, too. See customer_behavior_aggregates and operational_metrics_aggregates.';
comment on column analytics.entity_months.tenant_id      is 'The tenant; 1 where there is one only.';
comment on column analytics.entity_months.dimension      is 'What entity_id is: customer, route, vehicle, driver or site.';
comment on column analytics.entity_months.entity_id      is 'The customer, route, vehicle, driver or site, as observations name it.';
comment on column analytics.entity_months.metric_type    is 'What is measured, of analytics.metric_types, which says the unit.';
comment on column analytics.entity_months.month          is 'The local month, by its first day.';
comment on column analytics.entity_months.series         is 'How many series had an observation in the month that counts; what a part measured on a day on which a whole did does not.';
comment on column analytics.entity_months.days           is 'On how many days there was an observation.';
comment on column analytics.entity_months.observations   is 'How many observations count; 0 in a silent month.';
comment on column analytics.entity_months.value          is 'The month by the aggregate of the metric type: sum, mean over all observations, maximum, or the mean of each series'' last value. Of a month without any observation 0 where absence means zero, else empty.';
comment on column analytics.entity_months.day_mean       is 'Mean over the days with an observation; a day adds up over series like a month.';
comment on column analytics.entity_months.day_min        is 'The smallest day of the month that has an observation, in the unit of the metric type; empty in a silent month.';
comment on column analytics.entity_months.day_max        is 'The largest day of the month, in the unit of the metric type; empty in a silent month.';
comment on column analytics.entity_months.last_day       is 'The newest local day of the month with an observation; empty in a silent month.';
comment on column analytics.entity_months.quality        is 'Mean quality score of the observations that have one, from 0 to 1; empty in a silent month.';
comment on column analytics.entity_months.anomalies      is 'How many observations of the month are marked as anomalies.';
comment on column analytics.entity_months.change         is 'A day against one of the month before, 0.1 is 10 % more: value / calendar_days where the metric type adds up and absence means zero, else day_mean. Empty in the first month, after a month of 0, and where absence means nothing.';
comment on column analytics.entity_months.refreshed_at   is 'When the row was last made (instant); of a silent month, when the one before it was.';
comment on column analytics.entity_months.calendar_days  is 'Days of the month from the first observation ever until the newest that the tenant has of the metric type.';
comment on column analytics.entity_months.expected_days  is 'On how many of these days an observation was to be expected: as many as its weekdays had in the six months before that had any; in its first month what there is.';
comment on column analytics.entity_months.counts_silence is 'Whether a day without observations counts as 0: where the metric type adds up and its absence is zero.';

create view analytics.customer_behavior_aggregates with (security_invoker = true) as
select tenant_id, entity_id as customer_id, metric_type, month, series, days, observations, value, day_mean, day_min, day_max, last_day, quality,
       anomalies, change, refreshed_at, calendar_days, expected_days
  from analytics.entity_months where dimension = 'customer';
comment on view analytics.customer_behavior_aggregates is 'One row per customer, metric type and month, from the customer''s first observation to the newest month of the metric type; a month without any observation is a row with 0 days. Nothing counts twice: see analytics.series_parts.';
comment on column analytics.customer_behavior_aggregates.tenant_id     is 'The tenant; 1 where there is one only.';
comment on column analytics.customer_behavior_aggregates.customer_id   is 'The customer, as observations name it.';
comment on column analytics.customer_behavior_aggregates.metric_type   is 'What is measured, of analytics.metric_types, which says the unit.';
comment on column analytics.customer_behavior_aggregates.month         is 'The local month, by its first day.';
comment on column analytics.customer_behavior_aggregates.series        is 'How many series had an observation in the month that counts; what a part measured on a day on which a whole did does not.';
comment on column analytics.customer_behavior_aggregates.days          is 'On how many days there was an observation.';
comment on column analytics.customer_behavior_aggregates.observations  is 'How many observations count; 0 in a silent month.';
comment on column analytics.customer_behavior_aggregates.value         is 'The month by the aggregate of the metric type: sum, mean over all observations, maximum, or the mean of each series'' last value. Of a month without any observation 0 where absence means zero, else empty.';
comment on column analytics.customer_behavior_aggregates.day_mean      is 'Mean over the days with an observation; a day adds up over series like a month.';
comment on column analytics.customer_behavior_aggregates.day_min       is 'The smallest day of the month that has an observation, in the unit of the metric type; empty in a silent month.';
comment on column analytics.customer_behavior_aggregates.day_max       is 'The largest day of the month, in the unit of the metric type; empty in a silent month.';
comment on column analytics.customer_behavior_aggregates.last_day      is 'The newest local day of the month with an observation; empty in a silent month.';
comment on column analytics.customer_behavior_aggregates.quality       is 'Mean quality score of the observations that have one, from 0 to 1; empty in a silent month.';
comment on column analytics.customer_behavior_aggregates.anomalies     is 'How many observations of the month are marked as anomalies.';
comment on column analytics.customer_behavior_aggregates.change        is 'A day against one of the month before, 0.1 is 10 % more: value / calendar_days where the metric type adds up and absence means zero, else day_mean. Empty in the first month, after a month of 0, and where absence means nothing.';
comment on column analytics.customer_behavior_aggregates.refreshed_at  is 'When the row was last made (instant); of a silent month, when the one before it was.';
comment on column analytics.customer_behavior_aggregates.calendar_days is 'Days of the month from the first observation ever until the newest that the tenant has of the metric type.';
comment on column analytics.customer_behavior_aggregates.expected_days is 'On how many of these days an observation was to be expected: as many as its weekdays had in the six months before that had any; in its first month what there is.';

create view analytics.operational_metrics_aggregates with (security_invoker = true) as
select tenant_id, dimension, entity_id, metric_type, month, series, days, observations, value, day_mean, day_min, day_max, last_day, quality,
       anomalies, change, refreshed_at, calendar_days, expected_days
  from analytics.entity_months where dimension <> 'customer';
comment on view analytics.operational_metrics_aggregates is 'One row per route, vehicle, driver or site, metric type and month, from its first observation to the newest month of the metric type: its own series where it has one, else the sum of its parts, day by day (analytics.series_parts). Routes and their sites each sum to the whole, so add up one dimension only. A month without any observation is a row with 0 days.';
comment on column analytics.operational_metrics_aggregates.tenant_id     is 'The tenant; 1 where there is one only.';
comment on column analytics.operational_metrics_aggregates.dimension     is 'What entity_id is: route, vehicle, driver or site.';
comment on column analytics.operational_metrics_aggregates.entity_id     is 'The route, vehicle, driver or site, as observations name it.';
comment on column analytics.operational_metrics_aggregates.metric_type   is 'What is measured, of analytics.metric_types, which says the unit.';
comment on column analytics.operational_metrics_aggregates.month         is 'The local month, by its first day.';
comment on column analytics.operational_metrics_aggregates.series        is 'How many series had an observation in the month that counts; what a part measured on a day on which a whole did does not.';
comment on column analytics.operational_metrics_aggregates.days          is 'On how many days there was an observation.';
comment on column analytics.operational_metrics_aggregates.observations  is 'How many observations count; 0 in a silent month.';
comment on column analytics.operational_metrics_aggregates.value         is 'The month by the aggregate of the metric type: sum, mean over all observations, maximum, or the mean of each series'' last value. Of a month without any observation 0 where absence means zero, else empty.';
comment on column analytics.operational_metrics_aggregates.day_mean      is 'Mean over the days with an observation; a day adds up over series like a month.';
comment on column analytics.operational_metrics_aggregates.day_min       is 'The smallest day of the month that has an observation, in the unit of the metric type; empty in a silent month.';
comment on column analytics.operational_metrics_aggregates.day_max       is 'The largest day of the month, in the unit of the metric type; empty in a silent month.';
comment on column analytics.operational_metrics_aggregates.last_day      is 'The newest local day of the month with an observation; empty in a silent month.';
comment on column analytics.operational_metrics_aggregates.quality       is 'Mean quality score of the observations that have one, from 0 to 1; empty in a silent month.';
comment on column analytics.operational_metrics_aggregates.anomalies     is 'How many observations of the month are marked as anomalies.';
comment on column analytics.operational_metrics_aggregates.change        is 'A day against one of the month before, 0.1 is 10 % more: value / calendar_days where the metric type adds up and absence means zero, else day_mean. Empty in the first month, after a month of 0, and where absence means nothing.';
comment on column analytics.operational_metrics_aggregates.refreshed_at  is 'When the row was last made (instant); of a silent month, when the one before it was.';
comment on column analytics.operational_metrics_aggregates.calendar_days is 'Days of the month from the first observation ever until the newest that the tenant has of the metric type.';
comment on column analytics.operational_metrics_aggregates.expected_days is 'On how many of these days an observation was to be expected: as many as its weekdays had in the six months before that had any; in its first month what there is.';

-- Any span of time

create function analytics.aggregate_values(
    p_by          text,
    p_grain       text,
    p_metric_type text,
    p_from        date,
    p_to          date,
    p_ids         text[]  default null,
    p_area        polygon default null,
    p_tenant_id   int     default null
) returns table (tenant_id int, entity_id text, period date, value double precision, series bigint, observations bigint, days bigint,
                 smallest double precision, largest double precision, quality double precision, anomalies bigint,
                 observed_days bigint, expected_days bigint)
language sql stable
as $$
    with chosen as materialized (
        select s.series_id, s.tenant_id, t.aggregate, t.aggregate = 'sum' and t.absence = 'zero' as counts_silence, g.step,
               case p_by when 'customer' then s.customer_id when 'route' then s.route_id when 'vehicle' then s.vehicle_id
                         when 'driver' then s.driver_id when 'site' then s.site_id when 'area' then 'area' when 'company' then 'company' end as entity_id
          from analytics.series s
          join analytics.metric_types t on t.name = s.metric_type
          join analytics.granularities g on g.name = s.granularity
         where s.metric_type = p_metric_type
           and (p_tenant_id is null or s.tenant_id = p_tenant_id)
           and (p_ids is null
                or (p_by = 'customer' and s.customer_id = any(p_ids)) or (p_by = 'route' and s.route_id = any(p_ids))
                or (p_by = 'vehicle' and s.vehicle_id = any(p_ids)) or (p_by = 'driver' and s.driver_id = any(p_ids))
                or (p_by = 'site' and s.site_id = any(p_ids)))
           and (p_area is null or s.series_id in (
                select a.series_id from analytics.series a where a.service_area && p_area
                union all
                select a.series_id from analytics.routes r join analytics.series a on a.tenant_id = r.tenant_id and a.route_id = r.route_id
                 where r.service_area && p_area and a.service_area is null))
    ), pairs as materialized (
        select array_agg(x.part_id order by x.part_id, x.whole_id) as parts, array_agg(x.whole_id order by x.part_id, x.whole_id) as wholes
          from analytics.series_parts x
          join chosen p on p.series_id = x.part_id
          join chosen w on w.series_id = x.whole_id and w.entity_id = p.entity_id
         where x.metric_type = p_metric_type
    ), since as (  -- what came half a year before says what is to be expected
        select p_from - case when p_grain = 'day' then 0 else 182 end as day
    ), counted as materialized (
        select * from (
            select c.tenant_id, c.entity_id, c.aggregate, c.counts_silence, c.step, d.series_id, d.day, d.observations, d.quality, d.anomalies,
                   d.value_sum, d.value_min, d.value_max, d.value_last
              from chosen c join analytics.daily_metrics_summary d using (series_id)
             where c.entity_id is not null and d.day >= (select day from since) and d.day < p_to
            offset 0) every  -- so that what is covered is asked for once, not for each month
         where (every.series_id, every.day) not in (
               select part_id, day from analytics.covered_days((select parts from pairs), (select wholes from pairs), null, (select day from since), p_to))
    ), by_series as (
        select tenant_id, entity_id, aggregate, series_id, date_trunc(p_grain, day::timestamp)::date as period,
               sum(observations) as observations, sum(value_sum) as value_sum, min(value_min) as value_min, max(value_max) as value_max,
               (array_agg(value_last order by day desc) filter (where aggregate = 'last'))[1] as value_last, count(*) as days,
               sum(quality::float8 * observations) as quality_sum,
               sum(observations) filter (where quality is not null) as scored, sum(anomalies) as anomalies
          from counted where day >= p_from
         group by 1, 2, 3, 4, 5
    ), figures as (
        select tenant_id, entity_id, period,
               case aggregate when 'sum' then sum(value_sum) when 'mean' then sum(value_sum) / sum(observations)
                              when 'max' then max(value_max) else avg(value_last) end as value,
               count(*) as series, sum(observations)::bigint as observations, sum(days)::bigint as days, min(value_min) as smallest,
               max(value_max) as largest, sum(quality_sum) / sum(scored) as quality, sum(anomalies)::bigint as anomalies
          from by_series group by tenant_id, entity_id, aggregate, period
    ), seen as (
        select tenant_id, entity_id, day, bool_and(counts_silence) as counts_silence, max(greatest(day, (day + step)::date - 1)) as until_day
          from counted group by 1, 2, 3
    ), observed as (
        select tenant_id, entity_id, date_trunc(p_grain, day::timestamp)::date as period, count(*) as days
          from seen where day >= p_from group by 1, 2, 3
    ), known as (  -- until when anything is known of the tenant
        select s.tenant_id, greatest(max(s.until_day), max(m.until_day)) as until_day,
               date_trunc(p_grain, greatest(max(s.day), max(m.last_day))::timestamp) as period
          from (select tenant_id, max(day) as day, max(until_day) as until_day from seen group by tenant_id) s
         cross join lateral (select max(f.until_day) as until_day, max(f.last_day) as last_day from analytics.month_figures f
                              where f.tenant_id = s.tenant_id and f.metric_type = p_metric_type) m
         group by s.tenant_id
    ), lives as (
        select s.tenant_id, s.entity_id, s.first_day, s.counts_silence, k.until_day, k.period as last_period,
               array[s.weekdays[1] / nullif(c.calendar[1], 0)::float8, s.weekdays[2] / nullif(c.calendar[2], 0)::float8,
                     s.weekdays[3] / nullif(c.calendar[3], 0)::float8, s.weekdays[4] / nullif(c.calendar[4], 0)::float8,
                     s.weekdays[5] / nullif(c.calendar[5], 0)::float8, s.weekdays[6] / nullif(c.calendar[6], 0)::float8,
                     s.weekdays[7] / nullif(c.calendar[7], 0)::float8] as served
          from (select tenant_id, entity_id, min(day) as first_day, max(day) as last_day, bool_and(counts_silence) as counts_silence,
                       array[count(*) filter (where weekday = 1), count(*) filter (where weekday = 2), count(*) filter (where weekday = 3),
                             count(*) filter (where weekday = 4), count(*) filter (where weekday = 5), count(*) filter (where weekday = 6),
                             count(*) filter (where weekday = 7)] as weekdays
                  from seen cross join lateral (select extract(isodow from day) as weekday) w group by 1, 2) s
          join known k using (tenant_id)
         cross join lateral (select analytics.weekdays_between(s.first_day, s.last_day + 1) as calendar) c
    ), periods as (
        select l.tenant_id, l.entity_id, l.counts_silence, l.served, p.period, analytics.weekdays_between(p.since, p.until) as calendar
          from lives l
         cross join lateral (
               select period::date, greatest(period::date, p_from, l.first_day) as since,
                      least((period + ('1 ' || p_grain)::interval)::date, p_to, l.until_day + 1) as until
                 from generate_series(date_trunc(p_grain, greatest(l.first_day, p_from)::timestamp),
                                      least(l.last_period, p_to::timestamp - interval '1 day'), ('1 ' || p_grain)::interval) period
               offset 0) p
        offset 0
    ), parts as (  -- put together by grouping, because a join would have to guess how many there are
        select p.tenant_id, p.entity_id, p.period, p.counts_silence, analytics.expected_days(p.served, p.calendar)::bigint as expected_days,
               null::bigint as observed_days, null::float8 as value, null::bigint as series, null::bigint as observations, null::bigint as days,
               null::float8 as smallest, null::float8 as largest, null::float8 as quality, null::bigint as anomalies
          from periods p
        union all
        select f.tenant_id, f.entity_id, f.period, null, null, null, f.value, f.series, f.observations, f.days, f.smallest, f.largest, f.quality, f.anomalies
          from figures f
        union all
        select o.tenant_id, o.entity_id, o.period, null, null, o.days, null, null, null, null, null, null, null, null
          from observed o
    )
    select p.tenant_id, p.entity_id, p.period, case when max(p.series) is not null then max(p.value) when bool_and(p.counts_silence) then 0 end,
           coalesce(max(p.series), 0), coalesce(max(p.observations), 0), coalesce(max(p.days), 0), max(p.smallest), max(p.largest), max(p.quality),
           coalesce(max(p.anomalies), 0), coalesce(max(p.observed_days), 0), max(p.expected_days)
      from parts p
     group by p.tenant_id, p.entity_id, p.period
    having max(p.series) is not null or p_grain <> 'day'
     order by p.tenant_id, p.entity_id, p.period
$$;
comment on function analytics.aggregate_values is 'A metric type by customer, route, vehicle, driver, site, area or company, and by day, week (from Monday) or month, from p_from until before p_to, out of the daily summary.
The aggregate of the metric type decides how values add up, along time and over series: sum adds; mean is over all observations; max is the largest; last takes the last value of each series in the period and averages over series. Nothing counts twice: on each day an entity''s own series, where it has one, else the sum of its parts (analytics.series_parts).
p_ids picks entities, p_area the series whose service area (their own, else that of their route) overlaps the polygon; a polygon of one point picks what contains it. days counts series-days; smallest and largest are of single observations.
A week or month without any observation is a row, from the first observation (of the span, or of half a year before) to the newest that the tenant has: observed_days are the days with an observation, expected_days how many were to be expected by the weekdays of the span and of half a year before. Its value is 0 where the metric type adds up and absence means zero, else empty.';

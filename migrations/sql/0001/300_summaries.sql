-- What people look at: five materialised views on top of the summaries, and when each is to be made anew.

create materialized view analytics.customer_behavior_summary as
with newest as (  -- data decide what is new, not the clock: so the view is right for a history too
    select tenant_id, max(month) as month from analytics.month_figures where dimension = 'customer' group by tenant_id
), placed as (
    select a.*, n.month as newest_month, t.unit, t.aggregate,
           a.month > n.month - interval '12 months' as this_year, a.month > n.month - interval '3 months' as this_quarter,
           a.month > n.month - interval '6 months' and a.month <= n.month - interval '3 months' as quarter_before,
           a.month > n.month - interval '15 months' and a.month <= n.month - interval '12 months' as year_before,
           case when a.counts_silence then a.value else a.day_mean * a.days end as amount,
           case when a.counts_silence then a.calendar_days else a.days end as amount_days
      from analytics.entity_months a
      join newest n using (tenant_id)
      join analytics.metric_types t on t.name = a.metric_type
     where a.dimension = 'customer'
), figures as (
    select p.tenant_id, p.entity_id as customer_id, p.metric_type, p.unit,
           min(p.month) as first_month, max(p.month) filter (where p.days > 0) as last_month, max(p.last_day) as last_day,
           (count(*) filter (where p.days > 0))::int as months, sum(p.days)::int as days, sum(p.observations)::bigint as observations,
           (array_agg(p.value order by p.month desc) filter (where p.days > 0))[1] as last_value,
           case p.aggregate when 'sum' then sum(p.value) filter (where p.this_year) end as year_total,
           sum(p.day_mean * p.days) filter (where p.this_year) / nullif(sum(p.days) filter (where p.this_year), 0) as year_day_mean,
           min(p.day_min) filter (where p.this_year) as year_day_min, max(p.day_max) filter (where p.this_year) as year_day_max,
           sum(p.amount) filter (where p.this_quarter) / nullif(sum(p.amount_days) filter (where p.this_quarter), 0) as quarter,
           sum(p.amount) filter (where p.quarter_before) / nullif(sum(p.amount_days) filter (where p.quarter_before), 0) as quarter_before,
           sum(p.amount) filter (where p.year_before) / nullif(sum(p.amount_days) filter (where p.year_before), 0) as year_before,
           (sum(p.quality::float8 * p.observations) / sum(p.observations) filter (where p.quality is not null))::real as quality,
           sum(p.anomalies)::bigint as anomalies,
           coalesce(sum(p.days) filter (where p.this_quarter), 0)::int as quarter_days,
           coalesce(sum(p.expected_days) filter (where p.this_quarter), 0)::int as quarter_expected_days,
           coalesce(sum(p.days) filter (where p.this_year), 0)::int as year_days,
           coalesce(sum(p.expected_days) filter (where p.this_year), 0)::int as year_expected_days
      from placed p
     group by p.tenant_id, p.entity_id, p.metric_type, p.unit, p.aggregate
)
select f.tenant_id, f.customer_id, c.name, c.segment, f.metric_type, f.unit, f.first_month, f.last_month, f.last_day, f.months, f.days, f.observations,
       f.last_value, f.year_total, f.year_day_mean, f.year_day_min, f.year_day_max,
       f.quarter / nullif(analytics.tame(f.quarter_before), 0) - 1 as quarter_change, f.quarter / nullif(analytics.tame(f.year_before), 0) - 1 as year_change,
       f.quality, f.anomalies, f.quarter_days, f.quarter_expected_days, f.year_days, f.year_expected_days
  from figures f
  left join analytics.customers c using (tenant_id, customer_id);
create unique index customer_behavior_summary_key on analytics.customer_behavior_summary (tenant_id, customer_id, metric_type);
comment on materialized view analytics.customer_behavior_summary is 'One row per customer and metric type: how much, since when, and where it is going. The year is the twelve months up to the newest month of the tenant, a quarter the three.';
comment on column analytics.customer_behavior_summary.tenant_id             is 'The tenant; 1 where there is one only.';
comment on column analytics.customer_behavior_summary.customer_id           is 'The customer, as observations name it.';
comment on column analytics.customer_behavior_summary.name                  is 'The customer''s name, from analytics.customers.';
comment on column analytics.customer_behavior_summary.segment               is 'The customer''s segment, from analytics.customers.';
comment on column analytics.customer_behavior_summary.metric_type           is 'What is measured, of analytics.metric_types.';
comment on column analytics.customer_behavior_summary.unit                  is 'The unit of every value in the row.';
comment on column analytics.customer_behavior_summary.first_month           is 'The first month with an observation, by its first day.';
comment on column analytics.customer_behavior_summary.last_month            is 'The newest month with an observation, by its first day.';
comment on column analytics.customer_behavior_summary.last_day              is 'The newest local day with an observation.';
comment on column analytics.customer_behavior_summary.months                is 'In how many months there was an observation.';
comment on column analytics.customer_behavior_summary.days                  is 'On how many days there was an observation, of all time.';
comment on column analytics.customer_behavior_summary.observations          is 'How many observations there are, of all time.';
comment on column analytics.customer_behavior_summary.last_value            is 'The newest month of the customer, by the aggregate of the metric type; that month may not be over.';
comment on column analytics.customer_behavior_summary.year_total            is 'Sum of the year; empty when a sum of the metric type means nothing.';
comment on column analytics.customer_behavior_summary.year_day_mean         is 'Mean over the days of the year that have observations.';
comment on column analytics.customer_behavior_summary.year_day_min          is 'The smallest day of the year that has an observation.';
comment on column analytics.customer_behavior_summary.year_day_max          is 'The largest day of the year.';
comment on column analytics.customer_behavior_summary.quarter_change        is 'A day of the newest quarter against one of the quarter before, 0.1 is 10 % more: over all days of the calendar where the metric type adds up and absence means zero (who left falls, to -1), else over the days with observations.';
comment on column analytics.customer_behavior_summary.year_change           is 'The same against the same three months a year ago.';
comment on column analytics.customer_behavior_summary.quality               is 'Mean quality score, from 0 to 1, over the months that have one.';
comment on column analytics.customer_behavior_summary.anomalies             is 'How many observations are marked as anomalies, of all time.';
comment on column analytics.customer_behavior_summary.quarter_days          is 'Days of the newest quarter with an observation, beside the quarter_expected_days on which one was to be expected; the year likewise.';
comment on column analytics.customer_behavior_summary.quarter_expected_days is 'On how many days of the newest quarter an observation was to be expected; see customer_behavior_aggregates.expected_days.';
comment on column analytics.customer_behavior_summary.year_days             is 'Days of the year with an observation.';
comment on column analytics.customer_behavior_summary.year_expected_days    is 'On how many days of the year an observation was to be expected; see customer_behavior_aggregates.expected_days.';

create materialized view analytics.route_performance_summary as
with newest as (
    select tenant_id, max(month) as month from analytics.month_figures where dimension = 'route' group by tenant_id
), figures as (
    select a.tenant_id, a.entity_id as route_id, min(a.month) as first_month, max(a.month) as last_month, max(a.last_day) as last_day,
           sum(a.value) filter (where a.metric_type = 'collection_weight')  as weight_kg,
           sum(a.value) filter (where a.metric_type = 'waste_volume')       as volume_m3,
           sum(a.value) filter (where a.metric_type = 'collection_count')   as collections,
           sum(a.value) filter (where a.metric_type = 'missed_collections') as missed,
           sum(a.value) filter (where a.metric_type = 'route_distance')     as distance_km,
           sum(a.value) filter (where a.metric_type = 'route_duration')     as duration_minutes,
           sum(a.value) filter (where a.metric_type = 'fuel_consumption')   as fuel_litres,
           sum(a.value * a.observations) filter (where a.metric_type = 'service_delay')
               / sum(a.observations) filter (where a.metric_type = 'service_delay')      as delay_minutes,
           sum(a.value * a.observations) filter (where a.metric_type = 'route_efficiency')
               / sum(a.observations) filter (where a.metric_type = 'route_efficiency')   as efficiency_percent,
           sum(a.value * a.observations) filter (where a.metric_type = 'contamination_rate')
               / sum(a.observations) filter (where a.metric_type = 'contamination_rate') as contamination_percent,
           sum(a.anomalies)::bigint as anomalies
      from analytics.month_figures a join newest n using (tenant_id)
     where a.dimension = 'route' and a.month > n.month - interval '12 months'
     group by a.tenant_id, a.entity_id
)
select f.tenant_id, f.route_id, r.name, r.depot, f.first_month, f.last_month, f.last_day,
       f.weight_kg, f.volume_m3, f.collections, f.missed, f.distance_km, f.duration_minutes, f.fuel_litres,
       f.delay_minutes, f.efficiency_percent, f.contamination_percent,
       f.weight_kg / nullif(f.distance_km, 0)                     as kg_per_km,
       f.weight_kg / nullif(f.duration_minutes / 60, 0)           as kg_per_hour,
       f.fuel_litres / nullif(f.distance_km / 100, 0)             as litres_per_100_km,
       f.missed / nullif(f.collections + f.missed, 0)             as missed_share,
       f.anomalies, f.fuel_litres / nullif(f.weight_kg / 1000, 0) as litres_per_ton
  from figures f left join analytics.routes r using (tenant_id, route_id);
create unique index route_performance_summary_key on analytics.route_performance_summary (tenant_id, route_id);
comment on materialized view analytics.route_performance_summary is 'One row per route: totals and rates of the twelve months up to the newest month of the tenant, out of its own series where it has one, else out of its parts. What a route does not measure is empty.';
comment on column analytics.route_performance_summary.tenant_id             is 'The tenant; 1 where there is one only.';
comment on column analytics.route_performance_summary.route_id              is 'The route, as observations name it.';
comment on column analytics.route_performance_summary.name                  is 'The route''s name from analytics.routes.';
comment on column analytics.route_performance_summary.depot                 is 'Where the route begins, from analytics.routes.';
comment on column analytics.route_performance_summary.first_month           is 'The first of the twelve months with an observation, by its first day.';
comment on column analytics.route_performance_summary.last_month            is 'The newest month with an observation, by its first day.';
comment on column analytics.route_performance_summary.last_day              is 'The newest local day with an observation.';
comment on column analytics.route_performance_summary.weight_kg             is 'Sum of collection_weight; the other totals likewise.';
comment on column analytics.route_performance_summary.volume_m3             is 'Sum of waste_volume, in cubic metres.';
comment on column analytics.route_performance_summary.collections           is 'Sum of collection_count.';
comment on column analytics.route_performance_summary.missed                is 'Sum of missed_collections.';
comment on column analytics.route_performance_summary.distance_km           is 'Sum of route_distance, in km.';
comment on column analytics.route_performance_summary.duration_minutes      is 'Sum of route_duration, in minutes.';
comment on column analytics.route_performance_summary.fuel_litres           is 'Sum of fuel_consumption, in litres.';
comment on column analytics.route_performance_summary.delay_minutes         is 'Mean service_delay over its observations, in minutes.';
comment on column analytics.route_performance_summary.efficiency_percent    is 'Mean route_efficiency over its observations, in per cent.';
comment on column analytics.route_performance_summary.contamination_percent is 'Mean contamination_rate over its observations, in per cent.';
comment on column analytics.route_performance_summary.kg_per_km             is 'weight_kg / distance_km.';
comment on column analytics.route_performance_summary.kg_per_hour           is 'weight_kg for each hour of duration_minutes.';
comment on column analytics.route_performance_summary.litres_per_100_km     is 'fuel_litres for each 100 of distance_km.';
comment on column analytics.route_performance_summary.missed_share          is 'missed / (collections + missed).';
comment on column analytics.route_performance_summary.anomalies             is 'How many observations of the twelve months are marked as anomalies.';
comment on column analytics.route_performance_summary.litres_per_ton        is 'fuel_litres / (weight_kg / 1000).';

create materialized view analytics.seasonal_patterns as
with days as (
    select d.series_id, date_part('isodow', d.day)::smallint as weekday, date_part('month', d.day)::smallint as month,
           count(*) as days, sum(d.value) as total, sum(d.value * d.value) as squares, min(d.day) as first_day, max(d.day) as last_day
      from analytics.daily_metrics_summary d
     group by 1, 2, 3
), whole as (
    select series_id, sum(total) / sum(days) as mean, max(last_day) - min(first_day) as span from days group by series_id
), places as (
    select series_id, case when grouping(weekday) = 0 then 'weekday' else 'month' end as season, coalesce(weekday, month) as position,
           sum(days)::int as days, sum(total) / sum(days) as mean,
           sqrt(greatest(sum(squares) / sum(days) - (sum(total) / sum(days)) ^ 2, 0)) as deviation,
           min(first_day) as first_day, max(last_day) as last_day
      from days group by grouping sets ((series_id, weekday), (series_id, month))
)
select p.series_id, s.tenant_id, s.metric_type, p.season, p.position, p.days, p.mean, p.deviation,
       p.mean / nullif(w.mean, 0) as index, p.mean - w.mean as difference, p.first_day, p.last_day,
       (f.profiled ->> 'strength')::float8 as strength, (f.profiled ->> 'found')::boolean as found
  from places p join whole w using (series_id) join analytics.series s using (series_id) join analytics.granularities g on g.name = s.granularity
 cross join lateral (select s.seasonality #> array['seasons', case p.season when 'weekday' then 'week' else 'year' end] as profiled) f
 where case p.season when 'weekday' then g.mean_days < 7 and w.span + g.mean_days >= 14 else w.span + g.mean_days >= 1.95 * 365.25 end;
create unique index seasonal_patterns_key on analytics.seasonal_patterns (series_id, season, position);
create index seasonal_patterns_metric on analytics.seasonal_patterns (tenant_id, metric_type, season);
comment on materialized view analytics.seasonal_patterns is 'One row per series and weekday (1 is Monday; series with steps shorter than a week only), and per series and month of the year: its mean day against the mean day of the series. Of a history that holds two such cycles: one day is no week, one year no season.';
comment on column analytics.seasonal_patterns.series_id   is 'Of analytics.series.';
comment on column analytics.seasonal_patterns.tenant_id   is 'The tenant; 1 where there is one only.';
comment on column analytics.seasonal_patterns.metric_type is 'What is measured, of analytics.metric_types.';
comment on column analytics.seasonal_patterns.season      is 'weekday or month.';
comment on column analytics.seasonal_patterns.position    is 'Of a weekday 1 (Monday) to 7 (Sunday), of a month 1 to 12.';
comment on column analytics.seasonal_patterns.days        is 'How many days of the series lie at this position.';
comment on column analytics.seasonal_patterns.mean        is 'The mean of these days, in the unit of the metric type.';
comment on column analytics.seasonal_patterns.deviation   is 'Standard deviation of the days at this position.';
comment on column analytics.seasonal_patterns.index       is 'mean / mean of the series: 1.2 is 20 % above. Means little where the mean of the series is near 0; see difference.';
comment on column analytics.seasonal_patterns.difference  is 'mean − mean of the series, in the unit of the metric type.';
comment on column analytics.seasonal_patterns.first_day   is 'The first local day that was looked at.';
comment on column analytics.seasonal_patterns.last_day    is 'The newest local day that was looked at.';
comment on column analytics.seasonal_patterns.strength    is 'How much of what varies the season explains, from 0 (of noise) to 1 (of a pure pattern): the share of variance beyond chance, less trend and shorter seasons, as of the last profile (analytics.series.seasonality, which mlops db maintain keeps). Null before the first profile, and where the history is shorter than five weeks or two years.';
comment on column analytics.seasonal_patterns.found       is 'Whether the season is believed: strong enough, the same in its odd and even cycles, and repeating at its length. Where it is not, strength may rest on a few odd days, as of a customer who is emptied once a week and now and then on another day. Null where strength is.';

create materialized view analytics.model_accuracy_summary as
with newest as (  -- by the index, version by version
    select max(l.target_at) as target_at
      from analytics.model_versions v
     cross join lateral (select p.target_at from analytics.model_prediction_results p
                          where p.version_id = v.version_id and p.outcome is not null order by p.target_at desc limit 1) l
), due as (
    select p.version_id, p.series_id, p.target_at, s.granularity, s.route_id, s.site_id, s.tenant_id,
           s.level, p.parts is not null as total,
           date_trunc('week', p.target_at at time zone case when g.dated then 'UTC' else s.time_zone end)::date as week,
           case when p.horizon <= 7 then 7 when p.horizon <= 14 then 14 when p.horizon <= 28 then 28 else 1000 end as horizon_to,
           ceil(date_part('epoch', p.target_at - p.cutoff) / 604800)::int as horizon_week,
           p.outcome, p.error, p.lo_80, p.hi_80, p.lo_95, p.hi_95, n.value as naive
      from analytics.model_prediction_results p
      join analytics.series s using (series_id)
      join analytics.granularities g on g.name = s.granularity
      left join analytics.daily_metrics_summary n
        on n.series_id = p.series_id and s.granularity = 'daily' and p.parts is null
       and n.day = (p.target_at at time zone 'UTC')::date - (p.horizon + 6) / 7 * 7
     where p.target_at >= (select date_trunc('week', target_at at time zone 'UTC') - interval '52 weeks' from newest) at time zone 'UTC'
       and p.target_at < now()
), last_seen as (  -- until when a series with a forecast that has no outcome has been heard of
    select u.series_id, l.day
      from (select distinct series_id from due where outcome is null) u
     cross join lateral (select d.day from analytics.daily_metrics_summary d where d.series_id = u.series_id order by d.day desc limit 1) l
)
select d.version_id, v.name, v.version, v.kind, d.week,
       case d.horizon_to when 7 then '1-7' when 14 then '8-14' when 28 then '15-28' else '29+' end as horizon,
       d.level, d.total, d.granularity, d.tenant_id, d.route_id, d.site_id, d.horizon_week,
       count(d.outcome)::int as forecasts,
       sum(abs(d.error)) / nullif(analytics.tame(sum(abs(d.outcome))), 0) as wape,
       sum(d.error) / nullif(analytics.tame(sum(abs(d.outcome))), 0) as bias,
       avg((d.outcome between d.lo_80 and d.hi_80)::int)::float8 as coverage_80,
       avg((d.outcome between d.lo_95 and d.hi_95)::int)::float8 as coverage_95,
       count(d.naive) filter (where d.outcome is not null)::int as forecasts_naive,
       sum(abs(d.error)) filter (where d.naive is not null) / nullif(analytics.tame(sum(abs(d.naive - d.outcome))), 0) as error_to_naive,
       coalesce(sum(abs(d.error)), 0) as error_sum, coalesce(sum(abs(d.outcome)), 0) as outcome_sum,
       (count(*) filter (where d.outcome is null and u.day > (d.target_at at time zone 'UTC')::date))::int as without_service,
       (count(*) filter (where d.outcome is null and coalesce(u.day <= (d.target_at at time zone 'UTC')::date, true) and d.target_at < now() - interval '28 days'))::int as overdue,
       (count(*) filter (where d.outcome is null and coalesce(u.day <= (d.target_at at time zone 'UTC')::date, true) and d.target_at >= now() - interval '28 days'))::int as waiting
  from due d
  join analytics.model_versions v using (version_id)
  left join last_seen u using (series_id)
 group by d.version_id, v.name, v.version, v.kind, d.week, d.horizon_to, d.level, d.total, d.granularity, d.tenant_id, d.route_id, d.site_id, d.horizon_week;
create unique index model_accuracy_summary_key on analytics.model_accuracy_summary
    (version_id, week, level, total, granularity, horizon_week, horizon, tenant_id, route_id, site_id) nulls not distinct;
create index model_accuracy_summary_week on analytics.model_accuracy_summary (name, week);
comment on materialized view analytics.model_accuracy_summary is 'One row per model version, local week of the target (its Monday), level, granularity, route, site and how far ahead: how good all forecasts were that are due, the freshest and the older ones, and how many of them could not be judged. The newest 53 weeks. Of the freshest alone: analytics.model_accuracy. Totals count again what the series below them measure: add up rows that are no totals, or totals of one level and granularity, by error_sum and outcome_sum.';
comment on column analytics.model_accuracy_summary.version_id      is 'Of analytics.model_versions.';
comment on column analytics.model_accuracy_summary.name            is 'The registered model''s name.';
comment on column analytics.model_accuracy_summary.version         is 'The number of the model version.';
comment on column analytics.model_accuracy_summary.kind            is 'The kind of the model: auto, lean, naive, …';
comment on column analytics.model_accuracy_summary.week            is 'The local week of the target, by its Monday.';
comment on column analytics.model_accuracy_summary.horizon         is 'Steps ahead: 1-7, 8-14, 15-28 or 29+.';
comment on column analytics.model_accuracy_summary.level           is 'Whose forecasts these are: customer, driver, vehicle, route, site or company, as in analytics.series.';
comment on column analytics.model_accuracy_summary.total           is 'Whether these are forecasts of totals: sums of the series below, or of whole weeks of days. Else they are what the model forecasts itself.';
comment on column analytics.model_accuracy_summary.granularity     is 'The steps that were forecast; weekly totals of days are weekly.';
comment on column analytics.model_accuracy_summary.tenant_id       is 'Whose series they are.';
comment on column analytics.model_accuracy_summary.route_id        is 'The route of the series or total; empty where they have none.';
comment on column analytics.model_accuracy_summary.site_id         is 'The site of the series or total; empty where they have none.';
comment on column analytics.model_accuracy_summary.horizon_week    is 'Which week ahead the target lies in: 1 is that of the seven days after the cutoff.';
comment on column analytics.model_accuracy_summary.forecasts       is 'How many forecasts with an outcome were judged.';
comment on column analytics.model_accuracy_summary.wape            is 'Sum of |error| / sum of |outcome|.';
comment on column analytics.model_accuracy_summary.bias            is 'Sum of (forecast − outcome) / sum of |outcome|: above 0 is too high.';
comment on column analytics.model_accuracy_summary.coverage_80     is 'Share of outcomes inside the 80 % interval.';
comment on column analytics.model_accuracy_summary.coverage_95     is 'Share of outcomes inside the 95 % interval, of all forecasts so many steps ahead.';
comment on column analytics.model_accuracy_summary.forecasts_naive is 'How many of them the seasonal naive could be told for.';
comment on column analytics.model_accuracy_summary.error_to_naive  is 'Sum of |error| against that of the seasonal naive (same weekday, newest week that was known), over the forecasts_naive that have one; below 1 is better. Daily series only.';
comment on column analytics.model_accuracy_summary.error_sum       is 'Sum of |error|, to add rows up by: a WAPE over several rows is sum(error_sum) / sum(outcome_sum).';
comment on column analytics.model_accuracy_summary.outcome_sum     is 'Sum of |outcome|.';
comment on column analytics.model_accuracy_summary.without_service is 'Forecasts that are due and have no outcome although a later value of their series is known: nothing came on these steps.';
comment on column analytics.model_accuracy_summary.overdue         is 'Other forecasts that have been without an outcome for more than four weeks: perhaps nothing will ever judge them.';
comment on column analytics.model_accuracy_summary.waiting         is 'Other forecasts that are due and have no outcome yet.';

create materialized view analytics.feature_usage_summary as
with champions as (
    select distinct version_id from analytics.model_aliases where alias = 'champion' and valid_to is null
)
select f.feature_id, f.name, f.version, f.entity, f.granularity, f.transformation, f.owner, f.source_metric_types,
       f.version = max(f.version) over (partition by f.name) as newest,
       u.versions, u.live_versions, u.champions, u.models, u.champion_models, u.importance, u.importance_largest, u.last_trained_at
  from analytics.model_feature_store f
  left join lateral (
       select count(*)::int as versions,
              (count(*) filter (where v.deleted_at is null))::int as live_versions,
              (count(*) filter (where v.deleted_at is null and c.version_id is not null))::int as champions,
              coalesce(array_agg(distinct v.name order by v.name) filter (where v.deleted_at is null), '{}') as models,
              coalesce(array_agg(distinct v.name order by v.name) filter (where v.deleted_at is null and c.version_id is not null), '{}') as champion_models,
              avg(e.importance) filter (where v.deleted_at is null) as importance,
              max(e.importance) filter (where v.deleted_at is null) as importance_largest,
              max(v.created_at) as last_trained_at
         from analytics.model_version_features e
         join analytics.model_versions v using (version_id)
         left join champions c using (version_id)
        where e.feature_id = f.feature_id) u on true;
create unique index feature_usage_summary_key on analytics.feature_usage_summary (feature_id);
comment on materialized view analytics.feature_usage_summary is 'One row per feature and version: which model versions use it and how much it matters to them.';
comment on column analytics.feature_usage_summary.feature_id          is 'Of analytics.model_feature_store.';
comment on column analytics.feature_usage_summary.name                is 'The feature''s name.';
comment on column analytics.feature_usage_summary.version             is 'The version of the feature''s definition.';
comment on column analytics.feature_usage_summary.entity              is 'What a row of the feature is about: a series.';
comment on column analytics.feature_usage_summary.granularity         is 'The step for which it is computed.';
comment on column analytics.feature_usage_summary.transformation      is 'How it is computed: lag, rolling mean, calendar, …';
comment on column analytics.feature_usage_summary.owner               is 'Who answers for its definition.';
comment on column analytics.feature_usage_summary.source_metric_types is 'The metric types that it is computed from.';
comment on column analytics.feature_usage_summary.newest              is 'Whether this is the newest version of the feature.';
comment on column analytics.feature_usage_summary.versions            is 'Model versions that use it, deleted ones too; live_versions are those that the registry still has.';
comment on column analytics.feature_usage_summary.live_versions       is 'Model versions that use it and that the registry still has.';
comment on column analytics.feature_usage_summary.champions           is 'Live model versions that use it and are champion now.';
comment on column analytics.feature_usage_summary.models              is 'The names of the models of which a live version uses it.';
comment on column analytics.feature_usage_summary.champion_models     is 'The names of the models whose champion uses it.';
comment on column analytics.feature_usage_summary.importance          is 'Mean share of the total gain, from 0 to 1, over the live versions that state one.';
comment on column analytics.feature_usage_summary.importance_largest  is 'The largest share of the total gain that a live version states, from 0 to 1.';
comment on column analytics.feature_usage_summary.last_trained_at     is 'When the newest version that uses it was registered.';

-- When each is made anew -----------------------------------------------------------------------------------------------------

create table analytics.view_freshness (
    view_name    text   primary key,
    position     int    not null unique,
    sources      text[] not null,
    refreshed_at timestamptz,
    seconds      double precision,
    rows         bigint,
    stale_since  timestamptz,
    error        text,
    failed_at    timestamptz
);
comment on table analytics.view_freshness is 'What analytics.refresh_predictive_views() keeps fresh, and how fresh it is. monthly_aggregates are customer_behavior_aggregates and operational_metrics_aggregates. A materialized view of your own in the schema analytics is one more row.';
comment on column analytics.view_freshness.view_name    is 'The view or table, without its schema.';
comment on column analytics.view_freshness.position     is 'The order: a view stands after its sources.';
comment on column analytics.view_freshness.sources      is 'The tables whose changes make it stale.';
comment on column analytics.view_freshness.refreshed_at is 'When it was last found or made to be up to date.';
comment on column analytics.view_freshness.seconds      is 'How long the last refresh that had something to do took.';
comment on column analytics.view_freshness.rows         is 'Rows of the view; of a table, the rows that were written.';
comment on column analytics.view_freshness.stale_since  is 'When a source first changed after that; see also analytics.dirty_sources.';
comment on column analytics.view_freshness.error        is 'Why the last refresh failed; empty when it did not.';
comment on column analytics.view_freshness.failed_at    is 'When the last refresh failed; empty when it did not.';

insert into analytics.view_freshness (view_name, position, sources) values
    ('daily_metrics_summary',     10, '{dirty_days}'),
    ('monthly_aggregates',        20, '{dirty_months}'),
    ('customer_behavior_summary', 30, '{customer_behavior_aggregates,customers,metric_types}'),
    ('route_performance_summary', 40, '{operational_metrics_aggregates,routes}'),
    ('seasonal_patterns',         50, '{daily_metrics_summary,series}'),
    ('model_accuracy_summary',    60, '{model_prediction_results,model_versions,daily_metrics_summary}'),
    ('feature_usage_summary',     70, '{model_feature_store,model_version_features,model_versions,model_aliases}');
create trigger mark_source after insert or update or delete on analytics.customers for each statement execute function analytics.mark_source();
create trigger mark_source after insert or update or delete on analytics.routes for each statement execute function analytics.mark_source();
create trigger mark_source after insert or update or delete on analytics.metric_types for each statement execute function analytics.mark_source();
create trigger mark_source after insert or update or delete on analytics.model_prediction_results for each statement execute function analytics.mark_source();
create trigger mark_source after insert or update or delete on analytics.model_versions for each statement execute function analytics.mark_source();
create trigger mark_source after insert or update or delete on analytics.model_aliases for each statement execute function analytics.mark_source();
create trigger mark_source after insert or update or delete on analytics.model_feature_store for each statement execute function analytics.mark_source();
create trigger mark_source after insert or update or delete on analytics.model_version_features for each statement execute function analytics.mark_source();
create trigger mark_source after update of seasonality on analytics.series for each statement execute function analytics.mark_source();
insert into analytics.dirty_sources (source)
select unnest('{model_prediction_results,model_feature_store,model_versions,metric_types,series}'::text[]);

create function analytics.refreshes_concurrently(p_view text) returns boolean
language sql stable set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on set quote_all_identifiers = off
as $$
    select coalesce(bool_or(c.relispopulated), false)
      from pg_class c join pg_index i on i.indrelid = c.oid
     where c.oid = to_regclass(format('analytics.%I', p_view)) and i.indisunique and i.indisvalid and i.indpred is null and i.indexprs is null
$$;
comment on function analytics.refreshes_concurrently is 'Whether a materialized view has been filled and has a unique index over whole columns, which is what a refresh beside readers needs.';

create function analytics.refresh_predictive_views(p_force boolean default false)
returns table (view_name text, refreshed boolean, seconds double precision, rows bigint)
language plpgsql security definer set search_path = pg_catalog, pg_temp set timezone = 'UTC'
set standard_conforming_strings = on set quote_all_identifiers = off
as $$
#variable_conflict use_column
declare
    step    record;
    started timestamptz;
    problem text;
begin
    perform pg_advisory_xact_lock(hashtextextended('analytics.refresh_predictive_views', 0));
    for step in select * from analytics.view_freshness order by position loop
        -- steps before this one may have changed what it rests on
        with taken as (
            delete from analytics.dirty_sources returning source, marked_at
        ), since as (
            select f.view_name, min(t.marked_at) as marked_at
              from analytics.view_freshness f join taken t on t.source = any(f.sources) group by f.view_name
        )
        update analytics.view_freshness f set stale_since = least(f.stale_since, s.marked_at)
          from since s where s.view_name = f.view_name;

        started   := clock_timestamp();
        problem   := null;
        view_name := step.view_name;
        rows      := null;
        begin
            if step.view_name in ('daily_metrics_summary', 'monthly_aggregates') then
                rows := case step.view_name when 'daily_metrics_summary' then analytics.refresh_daily_summary()
                                            else analytics.refresh_monthly_aggregates() end;
                refreshed := rows > 0;
            else
                refreshed := p_force or step.refreshed_at is null
                             or exists (select from analytics.view_freshness f where f.view_name = step.view_name and f.stale_since is not null);
                if refreshed then
                    execute format('refresh materialized view %s analytics.%I',
                                   case when analytics.refreshes_concurrently(step.view_name) then 'concurrently' else '' end, step.view_name);
                    execute format('select count(*) from analytics.%I', step.view_name) into rows;
                end if;
            end if;
        exception when others then
            refreshed := false;
            problem   := sqlerrm;
            raise warning '% could not be refreshed: %', step.view_name, sqlerrm;
        end;
        seconds := date_part('epoch', clock_timestamp() - started);
        if problem is not null then
            update analytics.view_freshness f set error = problem, failed_at = clock_timestamp(), stale_since = coalesce(f.stale_since, started)
             where f.view_name = step.view_name;
        elsif refreshed then
            update analytics.view_freshness f
               set refreshed_at = started, seconds = refresh_predictive_views.seconds, rows = refresh_predictive_views.rows,
                   stale_since = null, error = null, failed_at = null
             where f.view_name = step.view_name;
        else
            update analytics.view_freshness f set refreshed_at = started, stale_since = null, error = null, failed_at = null
             where f.view_name = step.view_name;
        end if;
        return next;
    end loop;
end $$;
comment on function analytics.refresh_predictive_views is 'Brings the daily summary, the monthly aggregates and the views up to date, in this order, each only when what it rests on has changed; all with p_force. A view that fails says why in analytics.view_freshness and stops no other. Readers are never blocked.';
revoke execute on function analytics.refresh_predictive_views from public;

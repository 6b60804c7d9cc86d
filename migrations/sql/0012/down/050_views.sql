-- Weekdays of series of hours and days alone, weeks of UTC.

drop materialized view analytics.seasonal_patterns;
create materialized view analytics.seasonal_patterns as
with days as (
    select d.series_id, date_part('isodow', d.day)::smallint as weekday, date_part('month', d.day)::smallint as month,
           count(*) as days, sum(d.value) as total, sum(d.value * d.value) as squares, min(d.day) as first_day, max(d.day) as last_day
      from analytics.daily_metrics_summary d
     group by 1, 2, 3
), whole as (
    select series_id, sum(total) / sum(days) as mean from days group by series_id
), places as (
    select series_id, case when grouping(weekday) = 0 then 'weekday' else 'month' end as season, coalesce(weekday, month) as position,
           sum(days)::int as days, sum(total) / sum(days) as mean,
           sqrt(greatest(sum(squares) / sum(days) - (sum(total) / sum(days)) ^ 2, 0)) as deviation,
           min(first_day) as first_day, max(last_day) as last_day
      from days group by grouping sets ((series_id, weekday), (series_id, month))
)
select p.series_id, s.tenant_id, s.metric_type, p.season, p.position, p.days, p.mean, p.deviation,
       p.mean / nullif(w.mean, 0) as index, p.mean - w.mean as difference, p.first_day, p.last_day
  from places p join whole w using (series_id) join analytics.series s using (series_id)
 where p.season = 'month' or s.granularity in ('hourly', 'daily');
create unique index seasonal_patterns_key on analytics.seasonal_patterns (series_id, season, position);
create index seasonal_patterns_metric on analytics.seasonal_patterns (tenant_id, metric_type, season);
comment on materialized view analytics.seasonal_patterns is 'One row per series and weekday (1 is Monday; series of hours or days only), and per series and month of the year: its mean day against the mean day of the series.';
comment on column analytics.seasonal_patterns.index      is 'mean / mean of the series: 1.2 is 20 % above. Means little where the mean of the series is near 0; see difference.';
comment on column analytics.seasonal_patterns.deviation  is 'Standard deviation of the days at this position.';
comment on column analytics.seasonal_patterns.difference is 'mean − mean of the series, in the unit of the metric type.';

drop materialized view analytics.model_accuracy_summary;
create materialized view analytics.model_accuracy_summary as
with newest as (  -- by the index, version by version
    select max(l.target_at) as target_at
      from analytics.model_versions v
     cross join lateral (select p.target_at from analytics.model_prediction_results p
                          where p.version_id = v.version_id and p.outcome is not null order by p.target_at desc limit 1) l
), judged as (
    select p.version_id, date_trunc('week', p.target_at at time zone 'UTC')::date as week,
           case when p.horizon <= 7 then 7 when p.horizon <= 14 then 14 when p.horizon <= 28 then 28 else 1000 end as horizon_to,
           p.outcome, p.error, p.lo_80, p.hi_80, p.lo_95, p.hi_95, n.value as naive
      from analytics.model_prediction_results p
      join analytics.series s using (series_id)
      left join analytics.daily_metrics_summary n
        on n.series_id = p.series_id and s.granularity = 'daily'
       and n.day = (p.target_at at time zone 'UTC')::date - (p.horizon + 6) / 7 * 7
     where p.outcome is not null
       and p.target_at >= (select date_trunc('week', target_at at time zone 'UTC') - interval '52 weeks' from newest) at time zone 'UTC'
)
select j.version_id, v.name, v.version, v.kind, j.week,
       case j.horizon_to when 7 then '1-7' when 14 then '8-14' when 28 then '15-28' else '29+' end as horizon,
       count(*)::int as forecasts,
       sum(abs(j.error)) / nullif(analytics.tame(sum(abs(j.outcome))), 0) as wape,
       sum(j.error) / nullif(analytics.tame(sum(abs(j.outcome))), 0) as bias,
       avg((j.outcome between j.lo_80 and j.hi_80)::int)::float8 as coverage_80,
       avg((j.outcome between j.lo_95 and j.hi_95)::int)::float8 as coverage_95,
       count(j.naive)::int as forecasts_naive,
       sum(abs(j.error)) filter (where j.naive is not null) / nullif(analytics.tame(sum(abs(j.naive - j.outcome))), 0) as error_to_naive
  from judged j join analytics.model_versions v using (version_id)
 group by j.version_id, v.name, v.version, v.kind, j.week, j.horizon_to;
create unique index model_accuracy_summary_key on analytics.model_accuracy_summary (version_id, week, horizon);
create index model_accuracy_summary_week on analytics.model_accuracy_summary (name, week);
comment on materialized view analytics.model_accuracy_summary is 'One row per model version, week of the target (its Monday) and steps ahead: how good the forecasts were that have an outcome. The newest 53 weeks.';
comment on column analytics.model_accuracy_summary.horizon        is 'Steps ahead: 1-7, 8-14, 15-28 or 29+.';
comment on column analytics.model_accuracy_summary.wape           is 'Sum of |error| / sum of |outcome|.';
comment on column analytics.model_accuracy_summary.bias           is 'Sum of (forecast − outcome) / sum of |outcome|: above 0 is too high.';
comment on column analytics.model_accuracy_summary.coverage_80    is 'Share of outcomes inside the 80 % interval.';
comment on column analytics.model_accuracy_summary.error_to_naive is 'Sum of |error| against that of the seasonal naive (same weekday, newest week that was known), over the forecasts_naive that have one; below 1 is better. Daily series only.';

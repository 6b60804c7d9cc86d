drop materialized view analytics.model_accuracy_summary;
create materialized view analytics.model_accuracy_summary as
with newest as (  -- by the index, version by version
    select max(l.target_at) as target_at
      from analytics.model_versions v
     cross join lateral (select p.target_at from analytics.model_prediction_results p
                          where p.version_id = v.version_id and p.outcome is not null order by p.target_at desc limit 1) l
), judged as (
    select p.version_id, date_trunc('week', p.target_at at time zone case when g.dated then 'UTC' else s.time_zone end)::date as week,
           case when p.horizon <= 7 then 7 when p.horizon <= 14 then 14 when p.horizon <= 28 then 28 else 1000 end as horizon_to,
           p.outcome, p.error, p.lo_80, p.hi_80, p.lo_95, p.hi_95, n.value as naive
      from analytics.model_prediction_results p
      join analytics.series s using (series_id)
      join analytics.granularities g on g.name = s.granularity
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
comment on materialized view analytics.model_accuracy_summary is 'One row per model version, local week of the target (its Monday) and steps ahead: how good the forecasts were that have an outcome. The newest 53 weeks.';
comment on column analytics.model_accuracy_summary.horizon        is 'Steps ahead: 1-7, 8-14, 15-28 or 29+.';
comment on column analytics.model_accuracy_summary.wape           is 'Sum of |error| / sum of |outcome|.';
comment on column analytics.model_accuracy_summary.bias           is 'Sum of (forecast − outcome) / sum of |outcome|: above 0 is too high.';
comment on column analytics.model_accuracy_summary.coverage_80    is 'Share of outcomes inside the 80 % interval.';
comment on column analytics.model_accuracy_summary.error_to_naive is 'Sum of |error| against that of the seasonal naive (same weekday, newest week that was known), over the forecasts_naive that have one; below 1 is better. Daily series only.';
comment on materialized view analytics.model_accuracy_summary is
'One row per model version, local week of the target (its Monday) and steps ahead: how good all forecasts were that have an outcome, the freshest and the older ones. The newest 53 weeks. Of the freshest alone: analytics.model_accuracy.';
comment on column analytics.model_accuracy_summary.wape        is 'Sum of |error| / sum of |outcome|, of all forecasts so many steps ahead.';
comment on column analytics.model_accuracy_summary.coverage_80 is 'Share of outcomes inside the 80 % interval, of all forecasts so many steps ahead.';
comment on column analytics.model_checks.measured is
'Of the week, by the freshest forecasts: wape, coverage_80, and, outcomes or not, expected_wape with expected_wape_low and expected_wape_high, and promised_wape, of the freshest forecasts of the backtest; loss_ratio with loss_ratio_low and loss_ratio_high: the loss of four weeks over that of the backtest on the same weekdays.';

-- How good stored forecasts were, by whose they are and how far ahead; and how many could not be judged.

drop materialized view analytics.model_accuracy_summary;
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
comment on materialized view analytics.model_accuracy_summary is
'One row per model version, local week of the target (its Monday), level, granularity, route, site and how far ahead: how good all forecasts were that are due, the freshest and the older ones, and how many of them could not be judged. The newest 53 weeks. Of the freshest alone: analytics.model_accuracy. Totals count again what the series below them measure: add up rows that are no totals, or totals of one level and granularity, by error_sum and outcome_sum.';
comment on column analytics.model_accuracy_summary.version_id      is 'The version, of analytics.model_versions.';
comment on column analytics.model_accuracy_summary.name            is 'The model.';
comment on column analytics.model_accuracy_summary.version         is 'Its version.';
comment on column analytics.model_accuracy_summary.kind            is 'The kind of model.';
comment on column analytics.model_accuracy_summary.week            is 'Monday of the week of the targets, by the clock of the series.';
comment on column analytics.model_accuracy_summary.horizon         is 'Steps ahead: 1-7, 8-14, 15-28 or 29+.';
comment on column analytics.model_accuracy_summary.level           is 'Whose forecasts these are: customer, driver, vehicle, route, site or company, as in analytics.series.';
comment on column analytics.model_accuracy_summary.total           is 'Whether these are forecasts of totals: sums of the series below, or of whole weeks of days. Else they are what the model forecasts itself.';
comment on column analytics.model_accuracy_summary.granularity     is 'The steps that were forecast; weekly totals of days are weekly.';
comment on column analytics.model_accuracy_summary.tenant_id       is 'Whose series they are.';
comment on column analytics.model_accuracy_summary.route_id        is 'The route of the series or total; empty where they have none.';
comment on column analytics.model_accuracy_summary.site_id         is 'The site of the series or total; empty where they have none.';
comment on column analytics.model_accuracy_summary.horizon_week    is 'Which week ahead the target lies in: 1 is that of the seven days after the cutoff.';
comment on column analytics.model_accuracy_summary.forecasts       is 'Forecasts that have an outcome; the figures are theirs.';
comment on column analytics.model_accuracy_summary.wape            is 'Sum of |error| / sum of |outcome|.';
comment on column analytics.model_accuracy_summary.bias            is 'Sum of (forecast − outcome) / sum of |outcome|: above 0 is too high.';
comment on column analytics.model_accuracy_summary.coverage_80     is 'Share of outcomes inside the 80 % interval.';
comment on column analytics.model_accuracy_summary.coverage_95     is 'Share of outcomes inside the 95 % interval.';
comment on column analytics.model_accuracy_summary.forecasts_naive is 'Forecasts whose seasonal naive is known, too.';
comment on column analytics.model_accuracy_summary.error_to_naive  is 'Sum of |error| against that of the seasonal naive (same weekday, newest week that was known), over the forecasts_naive that have one; below 1 is better. Daily series only.';
comment on column analytics.model_accuracy_summary.error_sum       is 'Sum of |error|, to add rows up by: a WAPE over several rows is sum(error_sum) / sum(outcome_sum).';
comment on column analytics.model_accuracy_summary.outcome_sum     is 'Sum of |outcome|.';
comment on column analytics.model_accuracy_summary.without_service is 'Forecasts that are due and have no outcome although a later value of their series is known: nothing came on these steps.';
comment on column analytics.model_accuracy_summary.overdue         is 'Other forecasts that have been without an outcome for more than four weeks: perhaps nothing will ever judge them.';
comment on column analytics.model_accuracy_summary.waiting         is 'Other forecasts that are due and have no outcome yet.';

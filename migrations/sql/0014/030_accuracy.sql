-- How good served forecasts were, said once for terminal, page, JSON and SQL: by the freshest forecast of every series and time.

create function analytics.forecast_accuracy(p_version_ids bigint[], p_as_of timestamptz)
returns table (version_id bigint, recent boolean, days int, forecasts bigint, wape double precision, wape_naive double precision,
               coverage_80 double precision, coverage_95 double precision, wape_beside_naive double precision)
language sql stable
as $$
    with served as (
        select v.version_id, c.cycle as steps, case when c.seconds = 0 and c.months = 0 then interval '7 days' else c.step * c.cycle end as cycle,  -- five weekdays are a week
               c.recent_days, case when c.mean_days > 2 then c.step - interval '1 day' else interval '0' end as until_end  -- a long step counts on its last day
          from analytics.model_versions v
          join analytics.granularities c on c.name = coalesce(v.lineage -> 'selection' ->> 'granularity', 'daily')
         where v.version_id = any(p_version_ids)
    ), forecasts as materialized (  -- when the naive looks back to is known before the join, so that its month is found by it
        select distinct on (p.version_id, p.series_id, p.target_at)
               p.version_id, p.series_id, p.target_at + s.until_end as day, s.recent_days, p.y_hat, p.lo_80, p.hi_80, p.lo_95, p.hi_95,
               case when p.outcome_recorded_at <= p_as_of then p.outcome end as outcome,
               p.target_at - s.cycle * ceil(p.horizon / s.steps::float8) as naive_at
          from served s join analytics.model_prediction_results p using (version_id)
         where p.issued_at <= p_as_of and p.target_at < p_as_of
           and p.target_at >= p_as_of - make_interval(days => s.recent_days) - s.until_end and p.target_at < p_as_of - s.until_end
           and p.target_at >= p_as_of - (select max(make_interval(days => recent_days) + until_end) from served)  -- so that older months are not read
         order by p.version_id, p.series_id, p.target_at, p.cutoff desc
    ), judged as (
        select f.*, n.value as naive
          from forecasts f
          left join analytics.time_series_metrics n
            on n.series_id = f.series_id and n.observed_at = f.naive_at
           and n.observed_at between (select min(naive_at) from forecasts) and (select max(naive_at) from forecasts)
         where f.outcome is not null
    )
    select j.version_id, d.recent, case when d.recent then j.recent_days else 7 end, count(*),
           sum(abs(j.y_hat - j.outcome)) / nullif(sum(abs(j.outcome)), 0),
           sum(abs(j.naive - j.outcome)) / nullif(sum(abs(j.outcome)) filter (where j.naive is not null), 0),
           avg((j.outcome between j.lo_80 and j.hi_80)::int)::float8,
           avg((j.outcome between j.lo_95 and j.hi_95)::int)::float8,
           sum(abs(j.y_hat - j.outcome)) filter (where j.naive is not null) / nullif(sum(abs(j.outcome)) filter (where j.naive is not null), 0)
      from judged j join (values (false), (true)) as d (recent) on d.recent or j.day >= p_as_of - interval '7 days'
     group by j.version_id, d.recent, j.recent_days
$$;
comment on function analytics.forecast_accuracy is
'How good the freshest forecasts of versions were, as known at a time: of the last 7 days, and (recent) of the recent_days of their granularity. The freshest forecast of a series and
time is that from the newest cutoff, what was planned with in the end. wape is the sum of |error| over the sum of |outcome|, wape_naive that of the seasonal naive from the same
cutoffs where it is known, and wape_beside_naive that of the forecasts there: these two are compared.';

create view analytics.model_accuracy with (security_invoker = true) as
select m.name, v.version, a.alias, f.version_id, f.days, f.forecasts, f.wape, f.wape_naive, f.coverage_80, f.coverage_95
  from analytics.model_aliases a
  join analytics.registered_models m using (model_id)
  join analytics.model_versions v using (version_id)
 cross join lateral analytics.forecast_accuracy(array[a.version_id], now()) f
 where a.valid_to is null and v.deleted_at is null;
comment on view analytics.model_accuracy is 'How good the freshest forecasts of every version behind an alias were, of the last 7 days and of the recent days of its granularity; see analytics.forecast_accuracy.';

comment on materialized view analytics.model_accuracy_summary is
'One row per model version, local week of the target (its Monday) and steps ahead: how good all forecasts were that have an outcome, the freshest and the older ones. The newest 53 weeks. Of the freshest alone: analytics.model_accuracy.';
comment on column analytics.model_accuracy_summary.wape        is 'Sum of |error| / sum of |outcome|, of all forecasts so many steps ahead.';
comment on column analytics.model_accuracy_summary.coverage_80 is 'Share of outcomes inside the 80 % interval, of all forecasts so many steps ahead.';
comment on column analytics.model_checks.measured is
'Of the week, by the freshest forecasts: wape, coverage_80, and, outcomes or not, expected_wape with expected_wape_low and expected_wape_high, and promised_wape, of the freshest forecasts of the backtest; loss_ratio with loss_ratio_low and loss_ratio_high: the loss of four weeks over that of the backtest on the same weekdays.';

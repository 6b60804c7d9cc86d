create or replace function analytics.forecast_accuracy(p_version_ids bigint[], p_as_of timestamptz)
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

create or replace function analytics.health_of_models(p_as_of timestamptz)
returns table (model_id bigint, version_id bigint, name text, version int, alias text, as_of timestamptz, score int, status text,
               weakest text, weakest_words text, parts jsonb, forecasts bigint, labelled bigint, wape double precision,
               wape_promised double precision, coverage_80 double precision, labelled_until timestamptz, unlabelled_since timestamptz,
               forecast_until timestamptz, checked_at timestamptz, alias_since timestamptz, step interval)
language sql stable
as $$
    with served as (
        select a.model_id, a.version_id, m.name, v.version, a.alias, a.valid_from as alias_since,
               c.step, c.mean_days, c.recent_days as days, p_as_of - make_interval(days => c.recent_days) as since,
               case when jsonb_typeof(v.metrics -> 'wape_freshest') = 'number' then nullif((v.metrics ->> 'wape_freshest')::float8, 0)
                    when jsonb_typeof(v.metrics -> 'wape') = 'number' then nullif((v.metrics ->> 'wape')::float8, 0) end as wape_promised,  -- before 0.1.0 none was logged of the freshest alone
               case when v.lineage_state = 'complete' or v.lineage_read_at is not null then v.lineage_state = 'complete' end as has_lineage, v.run_state not in ('deleted', 'gone') as has_run,
               date_part('epoch', p_as_of - coalesce(v.as_of, v.trained_to, v.created_at)) / 86400 as age
          from analytics.model_aliases a
          join analytics.registered_models m using (model_id)
          join analytics.model_versions v using (version_id)
          join analytics.granularities c on c.name = coalesce(v.lineage -> 'selection' ->> 'granularity', 'daily')
         where a.valid_to is null and a.alias in ('champion', 'challenger') and v.deleted_at is null
    ), figures as materialized (
        select s.*, past.*, ahead.forecast_until, checked.checked_at, compared.loss_ratio, found.*, past.error / nullif(past.size, 0) as wape,
               past.labelled >= 20 and past.labelled >= past.forecasts / 2.0 as judged  -- a few of long ago are no proof
          from served s
         cross join lateral (  -- the freshest forecasts whose step has ended; what came later is not known
               select coalesce(sum(forecasts), 0)::bigint as forecasts, coalesce(sum(labelled), 0)::bigint as labelled,
                      sum(error) as error, sum(size) as size, sum(inside) / nullif(sum(bounded), 0)::float8 as coverage_80,
                      max(target_at) filter (where labelled > 0) as labelled_until,
                      min(target_at) filter (where labelled < forecasts) as unlabelled_since,
                      count(*) filter (where issued_at < target_at + s.step) as steps_issued,
                      min(target_at) filter (where issued_at < target_at + s.step) as first_issued
                 from (select target_at, min(issued_at) as issued_at, count(*) as forecasts, count(y) as labelled,
                              sum(abs(y_hat - y)) as error, sum(abs(y)) as size,
                              count(*) filter (where y between lo_80 and hi_80) as inside, count(y) filter (where lo_80 <= hi_80) as bounded
                         from (select distinct on (p.series_id, p.target_at) p.target_at, p.y_hat, p.lo_80, p.hi_80,
                                      min(p.issued_at) over (partition by p.series_id, p.target_at) as issued_at,
                                      case when p.outcome_recorded_at <= p_as_of then p.outcome end as y
                                 from analytics.model_prediction_results p
                                where p.version_id = s.version_id and p.target_at >= s.since and p.target_at <= p_as_of - s.step
                                  and p.issued_at <= p_as_of
                                order by p.series_id, p.target_at, p.cutoff desc) known
                        group by target_at) steps) past
         cross join lateral (
               select max(p.target_at) as forecast_until from analytics.model_prediction_results p
                where p.version_id = s.version_id and p.target_at >= s.since and p.issued_at <= p_as_of) ahead
         cross join lateral (
               select max(t.as_of) as checked_at from analytics.model_performance_tracking t
                where t.version_id = s.version_id and t.as_of <= p_as_of) checked
         cross join lateral (  -- the ratio of the check that compared on the same weekdays and holidays, unless it is of long ago
               select max(case when jsonb_typeof(c.measured -> 'loss_ratio') = 'number' then (c.measured ->> 'loss_ratio')::float8 end) as loss_ratio
                 from analytics.model_checks c
                where c.version_id = s.version_id and c.as_of > p_as_of - interval '14 days'
                  and c.as_of = (select max(n.as_of) from analytics.model_checks n where n.version_id = s.version_id and n.as_of <= p_as_of)) compared
         cross join lateral (  -- a check of long ago says nothing about now
               -- what drifted in a slice and in the whole is one finding, not several
               select case when count(f.statistic) filter (where f.kind not in ('data', 'serving')) > 0
                           then count(distinct (f.kind, f.subject)) filter (where f.drifted and f.kind not in ('data', 'serving') and f.subject <> 'naive') end as drifted,
                      case when count(*) filter (where f.kind <> 'serving') > 0 then count(*) filter (where f.drifted and f.kind = 'data') end as faults,
                      max(nullif(f.statistic, 'NaN') / nullif(f.threshold, 0)) filter (where f.kind = 'performance' and f.subject = 'naive' and f.slice = '') as naive,
                      max(f.detail) filter (where f.kind = 'performance' and f.subject = 'naive' and f.slice = '') as naive_words
                 from analytics.model_performance_tracking f
                where f.version_id = s.version_id and f.as_of = checked.checked_at and f.as_of > p_as_of - interval '14 days') found
         where s.alias = 'champion' or ahead.forecast_until is not null
    ), judged as (
        select f.*, q.part, q.position, q.decisive, q.weight, p.figure, p.words, analytics.health_value(p.figure, q.good, q.bad) as value
          from figures f
         cross join lateral (values
               ('accuracy', case when f.judged then coalesce(f.loss_ratio, f.wape / f.wape_promised) end,
                case when f.wape_promised is null and f.loss_ratio is null then 'its backtest promised nothing to compare with'
                     when not f.judged then format('%s of %s forecasts have an outcome, which is too few to judge', f.labelled, f.forecasts)
                     when f.wape is null then 'all outcomes are zero'
                     when f.loss_ratio is not null then format('errors are %s times the backtest''s on the same weekdays and holidays', to_char(f.loss_ratio, 'FM99990.00'))
                     else format('the WAPE of the freshest forecasts is %s times the backtest''s', to_char(f.wape / f.wape_promised, 'FM99990.00')) end),
               ('coverage', case when f.judged then abs(f.coverage_80 - 0.8) end,
                case when not f.judged then format('%s of %s forecasts have an outcome, which is too few to judge', f.labelled, f.forecasts)
                     when f.coverage_80 is null then 'its forecasts have no intervals'
                     else format('%s %% of outcomes are inside the 80 %% interval of the freshest forecast', round(100 * f.coverage_80)) end),
               ('naive', f.naive, coalesce(nullif(f.naive_words, ''), 'no comparison with the seasonal naive within 14 days')),
               ('drift', f.drifted::float8,
                case when f.drifted is null then 'no check for drift within 14 days' else case f.drifted when 0 then 'nothing drifted' when 1 then 'one finding drifted' else format('%s findings drifted', f.drifted) end end),
               ('data', f.faults::float8,
                case when f.faults is null then 'no check of the data within 14 days' else case f.faults when 0 then 'no column or series looks broken' when 1 then 'one column or series looks broken' else format('%s columns or series look broken', f.faults) end end),
               ('labels', f.labelled / nullif(f.forecasts, 0)::float8,
                case when f.forecasts = 0 then format('no forecast for the last %s days', f.days)
                     else format('%s of %s forecasts of the last %s days have an outcome', f.labelled, f.forecasts, f.days) end),
               ('issued', case when f.steps_issued > 0
                               then least(1, f.steps_issued / (1 + floor(date_part('epoch', p_as_of - f.step - f.first_issued) / (86400 * f.mean_days))))
                               when f.alias_since < p_as_of - 2 * f.step then 0 end,
                case when f.steps_issued > 0 then format('%s steps of the last %s days were forecast in time', f.steps_issued, f.days)
                     else format('no step of the last %s days was forecast in time', f.days) end),
               ('lineage', (f.has_lineage::int + f.has_run::int) / 2.0,
                case when f.has_lineage is null then 'its lineage was not read yet'
                     when f.has_lineage and f.has_run then 'its lineage is complete and its run is there'
                     when f.has_lineage then 'its run is gone' when f.has_run then 'its lineage is incomplete'
                     else 'its lineage is incomplete and its run is gone' end),
               ('age', f.age, format('it was trained on what was known %s days ago', floor(f.age)))) as p (part, figure, words)
          join analytics.health_policy q using (part)
    ), scored as (
        select j.version_id, j.alias,
               analytics.health_score(array_agg(j.value order by j.position), array_agg(j.weight order by j.position),
                                      array_agg(j.decisive order by j.position)) as score,
               (array_agg(j.part  order by j.decisive and j.value is null desc, j.weight * (1 - coalesce(j.value, 0)) desc, j.position)
                    filter (where j.weight > 0 and coalesce(j.value, 0) < 1))[1] as weakest,
               (array_agg(j.words order by j.decisive and j.value is null desc, j.weight * (1 - coalesce(j.value, 0)) desc, j.position)
                    filter (where j.weight > 0 and coalesce(j.value, 0) < 1))[1] as weakest_words,
               jsonb_agg(jsonb_build_object('part', j.part, 'figure', nullif(j.figure, 'NaN'), 'value', j.value, 'weight', j.weight, 'words', j.words)
                         order by j.position) as parts
          from judged j group by j.version_id, j.alias
    )
    select f.model_id, f.version_id, f.name, f.version, f.alias, p_as_of, floor(s.score + 1e-9)::int,
           case when s.score is null then 'unknown' when s.score < 60 then 'bad' when s.score < 80 then 'watch' else 'good' end,
           s.weakest, s.weakest_words, s.parts, f.forecasts, f.labelled, f.wape, f.wape_promised, f.coverage_80,
           f.labelled_until, f.unlabelled_since, f.forecast_until, f.checked_at, f.alias_since, f.step
      from figures f join scored s using (version_id, alias)
$$;

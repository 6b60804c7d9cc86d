-- Model health: how each served version does, part by part, and one score. The rule is here and nowhere else.

create table analytics.health_policy (
    part     text             primary key check (part ~ '^[a-z]+$'),
    position int              not null unique,
    weight   double precision not null check (weight >= 0 and weight < 'infinity'),
    good     double precision not null check (good > '-infinity' and good < 'infinity'),
    bad      double precision not null check (bad > '-infinity' and bad < 'infinity'),
    decisive boolean          not null,
    check (good <> bad)
);
comment on table analytics.health_policy is 'What each part of a model''s health weighs; a copy of [health] in monitoring/policy.toml, brought by mlops monitor.';
comment on column analytics.health_policy.part     is 'The part of the health: accuracy, coverage, naive, drift, …';
comment on column analytics.health_policy.position is 'The order in which parts are told.';
comment on column analytics.health_policy.weight   is 'Its share of the score, beside the other weights; 0 leaves the part out.';
comment on column analytics.health_policy.good     is 'The figure at which the part is worth all of its weight.';
comment on column analytics.health_policy.bad      is 'The figure at which it is worth nothing; in between it falls evenly.';
comment on column analytics.health_policy.decisive is 'Without this part there is no score, and it caps the score.';

insert into analytics.health_policy (part, position, weight, good, bad, decisive) values
    ('accuracy', 1, 4, 1.1,  2.0,  true),
    ('coverage', 2, 2, 0.05, 0.3,  true),
    ('naive',    3, 2, -1,   1,    false),
    ('drift',    4, 2, 0,    4,    false),
    ('data',     5, 2, 0,    3,    false),
    ('labels',   6, 1, 0.95, 0.5,  false),
    ('issued',   7, 1, 0.95, 0.5,  false),
    ('lineage',  8, 1, 1,    0,    false),
    ('age',      9, 1, 120,  365,  false);

create function analytics.health_value(p_figure double precision, p_good double precision, p_bad double precision)
returns double precision
language sql immutable
as $$
    select case when p_figure <> 'NaN' then least(1, greatest(0, (p_figure - p_bad) / (p_good - p_bad))) end
$$;
comment on function analytics.health_value is 'What a part is worth, from 1 at its good figure evenly down to 0 at its bad one; null when the figure is unknown.';

create function analytics.health_score(p_values double precision[], p_weights double precision[], p_decisive boolean[])
returns double precision
language sql immutable set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on set quote_all_identifiers = off
as $$
    select case when sum(weight) > 0 and not bool_or(decisive and value is null)
                then 100 * least(sum(weight * coalesce(value, 0)) / sum(weight), 0.4 + 0.6 * coalesce(min(value) filter (where decisive), 1)) end
      from unnest(p_values, p_weights, p_decisive) as part (value, weight, decisive)
     where weight > 0
$$;
comment on function analytics.health_score is 'From 0 to 100: the weighted mean of what the parts (0 to 1) are worth. An unknown part is worth nothing, so that not knowing never helps; without a decisive part the score is null.
At most 40 + 60 times the worst decisive part: a model that forecasts badly is not saved by its papers.';

create function analytics.health_of_models(p_as_of timestamptz)
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
                                  and p.issued_at <= p_as_of and p.parts is null
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
comment on function analytics.health_of_models is 'The health of every champion, and of every challenger that forecasts, as known at a time: over the recent_days of their granularity (analytics.granularities), by its freshest forecasts.
status is good from 80, watch from 60, bad below, and unknown without a score. weakest is the part that costs most; what is unknown and decisive comes first.';

create view analytics.model_health with (security_invoker = true) as
select * from analytics.health_of_models(now());
comment on view analytics.model_health is 'The health of every champion, and of every challenger that forecasts, now; see analytics.health_of_models.';
comment on column analytics.model_health.model_id         is 'Of analytics.registered_models.';
comment on column analytics.model_health.version_id       is 'Of analytics.model_versions.';
comment on column analytics.model_health.name             is 'The registered model''s name.';
comment on column analytics.model_health.version          is 'The number of the model version.';
comment on column analytics.model_health.alias            is 'The alias by which it is served: champion before challenger.';
comment on column analytics.model_health.as_of            is 'The health is that of this time: now.';
comment on column analytics.model_health.score            is 'From 0 (unwell) to 100; empty when its decisive part can''t be told.';
comment on column analytics.model_health.status           is 'What the score means, in a word.';
comment on column analytics.model_health.weakest          is 'The part that costs most of the score.';
comment on column analytics.model_health.weakest_words    is 'That part in a sentence.';
comment on column analytics.model_health.parts            is 'One object per part: part, figure, value, weight, words; analytics.model_health_parts has them as rows.';
comment on column analytics.model_health.forecasts        is 'How many forecasts there are for the recent days.';
comment on column analytics.model_health.labelled         is 'How many of them have an outcome.';
comment on column analytics.model_health.wape             is 'Sum of |error| / sum of |outcome| of the recent days: 0.1 is 10 %.';
comment on column analytics.model_health.wape_promised    is 'The WAPE of its backtest.';
comment on column analytics.model_health.coverage_80      is 'Share of the recent outcomes inside the 80 % interval, from 0 to 1.';
comment on column analytics.model_health.labelled_until   is 'The newest of these steps with an outcome.';
comment on column analytics.model_health.unlabelled_since is 'The first of these steps with a forecast that has no outcome.';
comment on column analytics.model_health.forecast_until   is 'The newest step that it has a forecast for.';
comment on column analytics.model_health.checked_at       is 'The time that its newest weekly check judged by.';
comment on column analytics.model_health.alias_since      is 'Since when that alias points to it (instant).';
comment on column analytics.model_health.step             is 'How long a step of its series is.';

create view analytics.model_health_parts with (security_invoker = true) as
select h.model_id, h.version_id, h.name, h.version, h.alias, p.part, p.figure, p.value, p.weight, p.words
  from analytics.model_health h
 cross join lateral jsonb_to_recordset(h.parts) as p (part text, figure double precision, value double precision, weight double precision, words text);
comment on view analytics.model_health_parts is 'The parts of each model''s health, one row each: the figure, what it is worth from 0 to 1, its weight, and words.';
comment on column analytics.model_health_parts.model_id   is 'Of analytics.registered_models.';
comment on column analytics.model_health_parts.version_id is 'Of analytics.model_versions.';
comment on column analytics.model_health_parts.name       is 'The registered model''s name.';
comment on column analytics.model_health_parts.version    is 'The number of the model version.';
comment on column analytics.model_health_parts.alias      is 'The alias by which it is served.';
comment on column analytics.model_health_parts.part       is 'The part of the health, of analytics.health_policy.';
comment on column analytics.model_health_parts.figure     is 'What was measured; its unit depends on the part, and words say it.';
comment on column analytics.model_health_parts.value      is 'What the figure is worth, from 0 to 1.';
comment on column analytics.model_health_parts.weight     is 'Its share of the score, beside the other weights.';
comment on column analytics.model_health_parts.words      is 'The figure in a sentence.';

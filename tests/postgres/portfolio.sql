-- a portfolio of models with ten weeks behind them; see portfolio.py for the parameters

-- models with three versions, and series with 100 days of values
insert into analytics.registered_models (name, created_at)
select name, '2024-01-01+00' from unnest(%(names)s::text[]) name;
insert into analytics.model_versions (model_id, name, version, created_at, kind, status, metrics, lineage, lineage_state,
       lineage_read_at, run_state, as_of, trained_from, trained_to)
select model_id, name, version, '2024-02-01+00'::timestamptz + version * interval '1 day', case version when 3 then 'lean' else 'lightgbm' end, 'READY',
       jsonb_build_object('wape', 0.12 - version * 0.01, 'coverage_80', 0.8),
       jsonb_build_object('selection', jsonb_build_object('metric_type', 'collection_weight', 'granularity', 'daily', 'labels', '{}'::jsonb),
                          'series', '[1, 2, 3]'::jsonb, 'recipe', '{"owner": "operations"}'::jsonb),
       'complete', '2024-02-01+00', 'there', '2024-02-01+00', '2022-02-01+00', '2024-02-01+00'
  from analytics.registered_models, generate_series(1, 3) version;
insert into analytics.model_aliases
select model_id, alias, version_id, since, until
  from analytics.model_versions
  join (values ('champion', 1, '2024-02-03+00'::timestamptz, '2024-05-13+00'::timestamptz),
               ('champion', 2, '2024-05-13+00', null), ('challenger', 3, '2024-05-20+00', null)) a (alias, number, since, until)
    on number = version and (version < 3 or model_id %% 3 = 1);
insert into analytics.series (metric_type, site_id)
select 'collection_weight', name || ' ' || n from analytics.registered_models, generate_series(1, %(series)s) n order by model_id, n;
insert into analytics.time_series_metrics (series_id, observed_at, value, recorded_at)
select series_id, at, (100 + 10 * (series_id %% 7)) * (1 + 0.2 * sin(date_part('epoch', at) / 86400 * 2 * pi() / 7)
       + 0.05 * ((hashint8(series_id * 1000 + date_part('doy', at)::int) %% 100) / 100.0)), at + interval '1 day'
  from analytics.series, generate_series(%(now)s - interval '100 days', %(now)s - interval '1 day', interval '1 day') at;

-- ten weeks of forecasts one day ahead, with outcomes where they are known
insert into analytics.model_prediction_results (version_id, series_id, issued_at, cutoff, target_at, horizon,
       y_hat, lo_80, hi_80, lo_95, hi_95, outcome, outcome_recorded_at, matched_at)
select v.version_id, s.series_id, o.observed_at - interval '1 day', o.observed_at - interval '1 day', o.observed_at, 1,
       y_hat, y_hat * 0.88, y_hat * 1.12, y_hat * 0.8, y_hat * 1.2, case when known then o.value end,
       case when known then o.recorded_at end, case when known then now() end
  from analytics.registered_models m
  join analytics.model_versions v using (model_id)
  join lateral (select series_id from analytics.series order by series_id
                 limit %(series)s offset (m.model_id - (select min(model_id) from analytics.registered_models)) * %(series)s) s on true
  join analytics.time_series_metrics o on o.series_id = s.series_id and o.observed_at >= %(now)s - interval '70 days'
   and case v.version when 1 then o.observed_at < '2024-05-13+00' when 2 then o.observed_at >= '2024-05-13+00'
            else o.observed_at >= '2024-05-20+00' and m.model_id %% 3 = 1 end
 cross join lateral (select not (m.name = any(%(silent)s::text[]) and o.observed_at >= %(now)s - interval '5 days') as known,
       o.value * (1 + 0.1 * ((hashint8(s.series_id * 77 + date_part('doy', o.observed_at)::int) %% 100) / 100.0)
                    + case when m.name = any(%(drifting)s::text[]) and v.version < 3 and o.observed_at >= '2024-05-18+00' then 0.3 else 0 end) as y_hat) e;

-- ten weekly checks, what they advise, and the alerts
insert into analytics.model_performance_tracking (version_id, as_of, window_start, window_end, kind, subject, statistic, threshold, drifted, detail, change)
select v.version_id, at, at - interval '7 days', at, k.kind, subject, case when bad then 7.2 - number when number = 5 then -5 else 1.1 end, 4, bad, detail,
       case when bad and number = 1 then jsonb_build_object('what', 'the mean of forecast minus outcome', 'now', 41.3, 'usual', 4.2, 'unit', 'kg', 'days', 14,
            'since', '2024-05-18T00:00:00+00:00', 'ended', '2024-06-02T00:00:00+00:00', 'weeks', '[4.1, 3.9, 4.4, 4.0, 4.6, 4.3, null, 4.2, 18.5, 40.2, 41.9]'::jsonb) end
  from analytics.model_versions v
  join generate_series(%(now)s - interval '9 weeks', %(now)s, interval '7 days') at
    on (at >= '2024-05-20+00') = (v.version = 2) and v.version < 3
  join jsonb_to_recordset(%(actions)s) a (name text, action text) on a.name = v.name and a.action <> 'unchecked'
 cross join (values (1, 'concept', '', 'predictions are 5.7 sigma too high over the last 14 days'),
                    (2, 'feature', 'mean_1_cycle', 'mean_1_cycle is 4.1 sigma below what the calendar predicts'),
                    (3, 'feature', 'log_level', 'log_level is 3.2 sigma below what the calendar predicts'),
                    (4, 'data', 'same_season_mean_4', '12 %% of same_season_mean_4 is missing'),
                    (5, 'performance', 'naive', 'over the last 28 days the error is 0.50 times that of the seasonal naive')) k (number, kind, subject, detail)
 cross join lateral (select case when at >= %(now)s - interval '7 days' and a.action <> 'none'
                                 then case k.kind when 'data' then a.action = 'investigate_data' else number < 4 and (a.action <> 'watch' or number = 2) end
                                 else at = %(now)s - interval '6 weeks' and number = 2 and hashtext(a.name) %% 9 = 0 end as bad) b;
insert into analytics.retraining_recommendations (version_id, as_of, action, reasons, evidence, rule_version, onset_at,
       expected_benefit, cost, horizon_weeks, expires_at, rollback_version_id)
select v.version_id, at, asked, case asked when 'none' then '{nothing has drifted in the newest week}'::text[] else array[
       case asked when 'retrain' then 'a refit by the same recipe has WAPE 0.101 against 0.312 of the champion and 0.143 of the seasonal naive on the newest 14 days, which neither has seen'
                  when 'rollback' then 'the newest promotion made forecasts worse: version 1, which was champion before has WAPE 0.104 against 0.311 of the champion, on the same days from the same cutoffs'
                  when 'investigate_data' then 'the data of same_season_mean_4 looks broken; look there before anything is retrained'
                  else 'mean_1_cycle is clearly below what the calendar predicts' end,
       'the model drifted in 2 of the last 3 weeks', 'the mean of forecast minus outcome is 41.3 kg over the last 14 days, where 4.2 kg is usual (+883%%), since about 2024-05-18'] end,
       '{}',
       '2', case when asked in ('retrain', 'rollback') then '2024-05-18+00'::timestamptz end,
       case when asked in ('retrain', 'rollback') then %(benefit)s::jsonb end,
       case when asked in ('retrain', 'rollback') then 35 end, case when asked in ('retrain', 'rollback') then 8 end,
       at + interval '28 days', case asked when 'rollback' then (select o.version_id from analytics.model_versions o where o.model_id = v.model_id and o.version = 1) end
  from analytics.model_versions v
  join generate_series(%(now)s - interval '9 weeks', %(now)s, interval '7 days') at
    on (at >= '2024-05-20+00') = (v.version = 2) and v.version < 3
  join jsonb_to_recordset(%(actions)s) a (name text, action text) on a.name = v.name and a.action <> 'unchecked'
 cross join lateral (select case when at = %(now)s then a.action when at = %(now)s - interval '7 days' and a.action <> 'none' then 'watch'
                                 when at = %(now)s - interval '6 weeks' and hashtext(a.name) %% 9 = 0 then 'watch' else 'none' end as asked) q;
insert into analytics.model_checks (version_id, as_of, alias, state, problem, measured, compared_with, comparison)
select v.version_id, %(now)s, case v.version when 2 then 'champion' else 'challenger' end, 'judged', '',
       case when v.version <> 2 then '{}'
            else case when a.action in ('retrain', 'rollback') then '{"wape": 0.3, "loss_ratio": 2.4, "loss_ratio_low": 2.1, "loss_ratio_high": 2.8}'::jsonb
                      else '{"wape": 0.05, "loss_ratio": 0.9, "loss_ratio_low": 0.7, "loss_ratio_high": 1.2}' end
                 || '{"promised_wape": 0.1, "expected_wape": 0.12, "expected_wape_low": 0.1, "expected_wape_high": 0.14}' end,
       case when v.version = 3 then c.version_id end, case when v.version = 3 then %(realised)s::jsonb end
  from analytics.model_versions v
  join analytics.model_versions c on c.model_id = v.model_id and c.version = 2
  join jsonb_to_recordset(%(actions)s) a (name text, action text) on a.name = v.name and a.action <> 'unchecked'
 where v.version = 2 or v.version_id in (select version_id from analytics.model_aliases where alias = 'challenger');
insert into analytics.alerts (kind, subject, severity, version_id, message, todo, owner, opened_at, seen_at)
select asked || '_recommended', 'models:/' || name || '@champion', case asked when 'rollback' then 'critical' else 'warning' end, version_id,
       format('version %%s: %%s', version, reasons[1]), 'mlops review', 'operations', as_of, as_of
  from (select v.name, v.version, r.*, r.action as asked from analytics.retraining_recommendations r join analytics.model_versions v using (version_id)) r
 where as_of = %(now)s and action in ('retrain', 'rollback', 'investigate_data');

-- what was decided, and what acting saved
insert into analytics.recommendation_decisions (recommendation_id, decision, decided_by, reason, until, decided_at)
select recommendation_id, case n %% 3 when 0 then 'dismiss' when 1 then 'snooze' else 'accept' end,
       case n %% 2 when 0 then 'mere' else 'tama' end, %(reason)s,
       case n %% 3 when 1 then %(now)s + interval '10 days' end, %(now)s - make_interval(hours => 10 + n::int)
  from (select recommendation_id, row_number() over (order by recommendation_id) as n from analytics.retraining_recommendations
         where as_of = %(now)s - interval '7 days' and action = 'watch') r;
update analytics.retraining_recommendations r
   set status = 'done', action = 'retrain', reasons = '{the model drifted}', decided_at = as_of + interval '1 hour', verdict = 'version 2 promoted: WAPE 0.101 against 0.150 of version 1 on the newest 14 days',
       retrained_version_id = (select w.version_id from analytics.model_versions v join analytics.model_versions w on w.model_id = v.model_id and w.version = 2 where v.version_id = r.version_id),
       expected_benefit = %(benefit)s, cost = 35, horizon_weeks = 8, realised_benefit = %(realised)s, realised_at = %(now)s - interval '1 hour'
 where as_of = %(now)s - interval '5 weeks'
   and version_id in (select version_id from analytics.model_versions where version = 1 order by version_id limit 3);

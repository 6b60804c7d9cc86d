drop view analytics.model_accuracy;
drop function analytics.forecast_accuracy(bigint[], timestamptz);

comment on materialized view analytics.model_accuracy_summary is 'One row per model version, local week of the target (its Monday) and steps ahead: how good the forecasts were that have an outcome. The newest 53 weeks.';
comment on column analytics.model_accuracy_summary.wape        is 'Sum of |error| / sum of |outcome|.';
comment on column analytics.model_accuracy_summary.coverage_80 is 'Share of outcomes inside the 80 % interval.';
comment on column analytics.model_checks.measured      is 'Of the week: wape, coverage_80, and, outcomes or not, expected_wape with expected_wape_low and expected_wape_high, and promised_wape of the backtest; loss_ratio with loss_ratio_low and loss_ratio_high: the loss of four weeks over that of the backtest on the same weekdays.';

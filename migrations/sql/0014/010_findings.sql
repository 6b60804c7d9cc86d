-- What does not run is a finding of its own: forecasts that are not made say nothing of the data.

alter table analytics.model_performance_tracking
    drop constraint model_performance_tracking_kind_check,
    add constraint model_performance_tracking_kind_check check (kind in ('feature', 'concept', 'performance', 'prediction', 'data', 'serving'));

update analytics.model_performance_tracking set kind = 'serving' where kind = 'data' and subject = 'forecasts';

alter table analytics.model_performance_tracking add column change jsonb check (jsonb_typeof(change) = 'object');
comment on column analytics.model_performance_tracking.change is
'What changed in its own unit, where a mean did: what, now, usual (of the same weekdays in the backtest), unit, days, since, ended, weeks (its weekly means, the newest last).';

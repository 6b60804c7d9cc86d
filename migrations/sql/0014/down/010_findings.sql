alter table analytics.model_performance_tracking drop column change;

update analytics.model_performance_tracking set kind = 'data' where kind = 'serving';

alter table analytics.model_performance_tracking
    drop constraint model_performance_tracking_kind_check,
    add constraint model_performance_tracking_kind_check check (kind in ('feature', 'concept', 'performance', 'prediction', 'data'));

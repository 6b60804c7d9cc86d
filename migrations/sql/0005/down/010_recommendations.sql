drop table analytics.recommendation_decisions;
drop function analytics.decide_recommendation();
drop index analytics.retraining_recommendations_of_week;
update analytics.retraining_recommendations set held_by = null;
delete from analytics.recommendation_findings
 where recommendation_id in (select recommendation_id from analytics.retraining_recommendations where replaced_by is not null);
delete from analytics.retraining_recommendations where replaced_by is not null;
alter table analytics.retraining_recommendations
    drop constraint retraining_recommendations_rollback_check,
    drop constraint retraining_recommendations_promise_check,
    drop constraint retraining_recommendations_replaced_check,
    drop constraint retraining_recommendations_realised_check,
    drop constraint retraining_recommendations_action_check,
    drop constraint retraining_recommendations_status_check,
    drop column cause,
    drop column severity,
    drop column challenger,
    drop column rollback_version_id,
    drop column onset_at,
    drop column expected_benefit,
    drop column cost,
    drop column horizon_weeks,
    drop column expires_at,
    drop column held_by,
    drop column replaced_by,
    drop column realised_benefit,
    drop column realised_at;
update analytics.retraining_recommendations set action = 'watch' where action = 'rollback';
update analytics.retraining_recommendations set status = 'open' where status in ('accepted', 'dismissed', 'snoozed');
alter table analytics.retraining_recommendations
    add constraint retraining_recommendations_version_id_as_of_key unique (version_id, as_of),
    add constraint retraining_recommendations_action_check check (action in ('none', 'watch', 'investigate_data', 'retrain')),
    add constraint retraining_recommendations_status_check check (status in ('open', 'done', 'superseded'));
drop function analytics.is_benefit(jsonb);

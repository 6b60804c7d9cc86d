update analytics.retraining_recommendations set action = 'watch' where action = 'fallback';
alter table analytics.retraining_recommendations
    drop constraint retraining_recommendations_action_check,
    add constraint retraining_recommendations_action_check
        check (action in ('none', 'watch', 'investigate_data', 'retrain', 'rollback'));
comment on column analytics.retraining_recommendations.challenger          is 'The recipe that beat the champion: same, or a model kind.';
comment on column analytics.retraining_recommendations.rollback_version_id is 'The version that a rollback brings back.';

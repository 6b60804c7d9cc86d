-- A further action: the seasonal naive serves until the model, or a refit of it, is better again.

alter table analytics.retraining_recommendations
    drop constraint retraining_recommendations_action_check,
    add constraint retraining_recommendations_action_check
        check (action in ('none', 'watch', 'investigate_data', 'retrain', 'rollback', 'fallback'));

comment on column analytics.retraining_recommendations.challenger
    is 'The recipe that beat the champion: same, or a model kind; naive of a fallback.';
comment on column analytics.retraining_recommendations.rollback_version_id
    is 'The version that a rollback brings back; of a retraining, the version whose recipe is meant by same, where a seasonal naive stands in for it.';

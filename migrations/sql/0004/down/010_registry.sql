drop table analytics.registry_mirror;
alter table analytics.model_version_features drop column origin;
comment on table analytics.model_version_features is 'Lineage edges as the model itself declares them; importance is the share of the total gain, from 0 to 1.';
alter table analytics.model_versions
    drop column description, drop column stage, drop column logged_model_id, drop column run_state, drop column run_name, drop column run_user,
    drop column experiment, drop column run_tags, drop column datasets, drop column inferred_features,
    drop column lineage_read_at;
comment on table analytics.model_versions is 'One version of a registered model. MLflow restarts at version 1 when a name is deleted and made again, so the identity is name, version and time of creation.';
comment on column analytics.model_versions.name       is null;
comment on column analytics.model_versions.params     is null;
comment on column analytics.model_versions.deleted_at is null;
drop table analytics.registered_model_names;
comment on table  analytics.registered_models is null;
comment on column analytics.registered_models.name       is null;
comment on column analytics.registered_models.created_at is null;
comment on column analytics.registered_models.seen_at    is null;
comment on column analytics.registered_models.deleted_at is null;
alter table analytics.registered_models drop constraint registered_models_live;
create unique index registered_models_live on analytics.registered_models (name) where deleted_at is null;
drop index analytics.model_versions_by_name, analytics.model_versions_live;
alter table analytics.model_versions drop constraint model_versions_identity;
alter table analytics.model_versions add constraint model_versions_name_version_created_at_key unique (name, version, created_at);
alter table analytics.registered_models add constraint registered_models_name_created_at_key unique (name, created_at);

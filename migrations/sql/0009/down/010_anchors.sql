drop trigger keep_lineage on analytics.model_versions;
drop trigger keep_identity on analytics.model_versions;
drop trigger keep_record on analytics.model_versions;
drop table analytics.model_anchors;
drop function analytics.keep_record();
update analytics.model_versions set lineage_state = 'incomplete' where lineage_state = 'claimed';
alter table analytics.model_versions
    drop column altered,
    drop constraint model_versions_lineage_problem_check,
    drop constraint model_versions_lineage_state_check,
    add constraint model_versions_check check ((lineage_state = 'incomplete') = (lineage_problem is not null)),
    add constraint model_versions_lineage_state_check check (lineage_state in ('complete', 'incomplete'));
comment on column analytics.model_versions.lineage_state is null;
comment on column analytics.model_versions.lineage is null;
comment on column analytics.model_versions.metrics is null;

-- Anchors: what a model version was when it was first recorded, out of reach of those who may write to MLflow.

alter table analytics.model_versions
    drop constraint model_versions_lineage_state_check,
    drop constraint model_versions_check,
    add constraint model_versions_lineage_state_check check (lineage_state in ('complete', 'claimed', 'incomplete')),
    add constraint model_versions_lineage_problem_check check ((lineage_state = 'complete') = (lineage_problem is null)),
    add column altered text;
comment on column analytics.model_versions.lineage_state is 'complete: known and anchored; claimed: it says that mlops train made it, which is not on record here; incomplete: see lineage_problem.';
comment on column analytics.model_versions.lineage       is 'What it was made from. Once it is here it never changes; what the model says otherwise later is in verified_problem.';
comment on column analytics.model_versions.metrics       is 'Of the run, as last seen, but those that were anchored as they were recorded then.';
comment on column analytics.model_versions.altered       is 'Which metrics of the run and tags of the version are other ones now than were anchored; empty when none is.';

create table analytics.model_anchors (
    version_id     bigint      primary key references analytics.model_versions,
    anchored_by    text        not null check (anchored_by in ('training', 'copy', 'sync', 'migration')),
    copy_of        bigint      references analytics.model_versions,
    lineage_sha256 text        check (lineage_sha256 ~ '^[0-9a-f]{64}$'),
    files          jsonb       not null check (jsonb_typeof(files) = 'object'),
    metrics        jsonb       not null default '{}' check (jsonb_typeof(metrics) = 'object'),
    tags           jsonb       not null default '{}' check (jsonb_typeof(tags) = 'object'),
    anchored_at    timestamptz not null default clock_timestamp(),
    check ((anchored_by = 'copy') = (copy_of is not null))
);
comment on table  analytics.model_anchors is 'What a version was when it was first recorded: model, metrics and tags are compared with it ever after. Rows are only added.';
comment on column analytics.model_anchors.anchored_by    is 'training: by the process that made the model, from its memory; copy: the same files and lineage as such a version; sync: as registry sync first found it; migration: as the mirror showed it.';
comment on column analytics.model_anchors.copy_of        is 'The version of which it is a copy.';
comment on column analytics.model_anchors.lineage_sha256 is 'The digest of the document in model_versions.lineage; empty for a model that carries none.';
comment on column analytics.model_anchors.files          is 'SHA-256 of each file of the model by its path; without MLmodel only the code and artifacts are known.';
comment on column analytics.model_anchors.metrics        is 'What was measured, by name.';
create index model_anchors_by_lineage on analytics.model_anchors (lineage_sha256);

insert into analytics.model_anchors (version_id, anchored_by, lineage_sha256, files, metrics, tags)
select v.version_id, 'migration', v.lineage_sha256,
       (select coalesce(jsonb_object_agg(case when f.key like '%/%' then 'artifacts/' || f.key else f.key end, f.value), '{}')
          from jsonb_each(coalesce(v.lineage -> 'files', '{}')) f),
       case when v.lineage ? 'recipe' then v.metrics else '{}' end,
       (select coalesce(jsonb_object_agg(t.key, t.value), '{}') from jsonb_each(v.tags) t
         where v.lineage ? 'recipe' and t.key like 'mlops.%' and t.key <> 'mlops.promoted_because')
  from analytics.model_versions v
 where v.lineage is not null;

create function analytics.keep_record() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception 'the rows of %.% stand as they were recorded', tg_table_schema, tg_table_name
          using hint = 'nothing of the record is changed or removed; a version that is gone has deleted_at', errcode = 'object_not_in_prerequisite_state';
end $$;
comment on function analytics.keep_record is 'Refuses what would change or remove a record.';

create trigger keep_record before update or delete or truncate on analytics.model_anchors
   for each statement execute function analytics.keep_record();
create trigger keep_record before delete or truncate on analytics.model_versions
   for each statement execute function analytics.keep_record();
create trigger keep_identity before update of model_id, version, created_at on analytics.model_versions for each row
  when ((old.model_id, old.version, old.created_at) is distinct from (new.model_id, new.version, new.created_at))
       execute function analytics.keep_record();
create trigger keep_lineage before update of lineage, lineage_sha256, as_of, trained_from, trained_to on analytics.model_versions for each row
  when (old.lineage is not null
        and (old.lineage, old.lineage_sha256, old.as_of, old.trained_from, old.trained_to)
            is distinct from (new.lineage, new.lineage_sha256, new.as_of, new.trained_from, new.trained_to))
       execute function analytics.keep_record();

-- The mirror whole: names over time, what is true of each run now, where an edge comes from, which registry is followed.

-- Identity: a rename keeps the row, a model made again under an old name is another row; so a name says nothing about uniqueness.
alter table analytics.registered_models drop constraint registered_models_name_created_at_key;
alter table analytics.model_versions drop constraint model_versions_name_version_created_at_key;
alter table analytics.model_versions add constraint model_versions_identity unique (model_id, version, created_at);
create unique index model_versions_live on analytics.model_versions (model_id, version) where deleted_at is null;
create index model_versions_by_name on analytics.model_versions (name, version);

-- A unique index is checked row by row, so two models could not swap their names; this is checked at the end.
drop index analytics.registered_models_live;
alter table analytics.registered_models add constraint registered_models_live exclude using btree (name with =)
      where (deleted_at is null) deferrable initially deferred;

comment on table  analytics.registered_models is 'One row per registered model that the registry has or had. A rename keeps the row; see registered_model_names.';
comment on column analytics.registered_models.name       is 'The name now, or the last one.';
comment on column analytics.registered_models.created_at is 'When the registry says it was made: with the versions what tells a renamed model from another one.';
comment on column analytics.registered_models.seen_at    is 'When something about it last changed here.';
comment on column analytics.registered_models.deleted_at is 'When the registry was first found without it; empty while it is there.';

create table analytics.registered_model_names (
    model_id   bigint      not null references analytics.registered_models,
    name       text        not null,
    valid_from timestamptz not null,
    valid_to   timestamptz,
    primary key (model_id, valid_from),
    check (valid_from <= valid_to),
    constraint registered_model_names_now exclude using btree (name with =) where (valid_to is null) deferrable initially deferred
);
comment on table  analytics.registered_model_names is 'Which name a model had and when, as the bridge saw it; valid_to null is now. The first name counts from the creation of the model.';
create unique index registered_model_names_one on analytics.registered_model_names (model_id) where valid_to is null;
create index registered_model_names_by_name on analytics.registered_model_names (name, valid_from);
insert into analytics.registered_model_names (model_id, name, valid_from, valid_to)
select model_id, name, least(created_at, deleted_at), deleted_at from analytics.registered_models;

alter table analytics.model_versions
    add column description     text,
    add column stage           text,
    add column logged_model_id text,
    add column run_state       text not null default 'none' check (run_state in ('there', 'deleted', 'gone', 'none')),
    add column run_name        text,
    add column run_user        text,
    add column experiment      text,
    add column run_tags        jsonb not null default '{}',
    add column datasets        jsonb not null default '[]' check (jsonb_typeof(datasets) = 'array'),
    add column inferred_features text[],
    add column lineage_read_at timestamptz;
update analytics.model_versions set lineage_read_at = seen_at where lineage_state = 'complete';
comment on table  analytics.model_versions is 'One version of a registered model. MLflow never uses a number twice within a model, so the identity is model, version and time of creation.';
comment on column analytics.model_versions.name            is 'The name of its model now, or the last one.';
comment on column analytics.model_versions.stage           is 'MLflow''s older way to say what aliases say.';
comment on column analytics.model_versions.logged_model_id is 'MLflow''s model_id, when the version was registered from one.';
comment on column analytics.model_versions.run_state       is 'What is true of its run now: there, deleted (can be restored), gone (collected, with params and metrics), none (registered without one).';
comment on column analytics.model_versions.params          is 'Of the run, as long as there is one; then what was last seen of it. So are metrics, run_name, run_user, experiment, run_tags and datasets.';
comment on column analytics.model_versions.datasets        is 'Inputs of the run: name, digest, source_type, source, tags.';
comment on column analytics.model_versions.inferred_features is 'Names in the model''s signature, when it declares no features.';
comment on column analytics.model_versions.lineage_read_at is 'When the files of the model were last read for their lineage; empty when that is still to be done.';
comment on column analytics.model_versions.deleted_at      is 'When the registry was first found without it; empty while it is there.';

alter table analytics.model_version_features add column origin text not null default 'declared' check (origin in ('declared', 'inferred'));
comment on table  analytics.model_version_features is 'Which features a version was trained with; importance is the share of the total gain, from 0 to 1.';
comment on column analytics.model_version_features.origin is 'declared by the model itself, or inferred from the names in its signature.';

create table analytics.registry_mirror (
    only_one   boolean primary key default true check (only_one),
    registry   text,
    address    text,
    adopted_at timestamptz,
    synced_at  timestamptz,
    how        text check (how in ('api', 'sql')),
    seconds    double precision,
    models     bigint,
    versions   bigint,
    aliases    bigint,
    failed_at  timestamptz,
    failure    text,
    check ((registry is null) = (adopted_at is null))
);
comment on table  analytics.registry_mirror is 'Which registry the mirror follows and how fresh it is; one row.';
comment on column analytics.registry_mirror.registry  is 'The identity of the registry, whatever address it is reached by: its oldest experiment and when that was made. Empty before the first sync.';
comment on column analytics.registry_mirror.address   is 'Where it was last read, without a password.';
comment on column analytics.registry_mirror.synced_at is 'The mirror shows the registry as it was then.';
comment on column analytics.registry_mirror.seconds   is 'How long the last sync took.';
comment on column analytics.registry_mirror.models    is 'Live models; so are versions and aliases.';
comment on column analytics.registry_mirror.failure   is 'Why the last sync failed; empty when it did not.';
insert into analytics.registry_mirror default values;

-- The registry mirror: what MLflow knew, with what it forgets. Nothing is ever deleted here; deleted_at is the tombstone.
-- A rename keeps the row, a model made again under an old name is another row; so a name says nothing about uniqueness.

create table analytics.registered_models (
    model_id    bigint generated always as identity primary key,
    name        text        not null,
    created_at  timestamptz not null,
    description text,
    tags        jsonb       not null default '{}',
    seen_at     timestamptz not null default now(),
    deleted_at  timestamptz,
    -- A unique index is checked row by row, so two models could not swap their names; this is checked at the end.
    constraint registered_models_live exclude using btree (name with =) where (deleted_at is null) deferrable initially deferred
);
comment on table analytics.registered_models is 'One row per registered model that the registry has or had. A rename keeps the row; see registered_model_names.';
comment on column analytics.registered_models.model_id    is 'Numbers the models; it outlives a rename.';
comment on column analytics.registered_models.name        is 'The name now, or the last one.';
comment on column analytics.registered_models.created_at  is 'When the registry says it was made: with the versions what tells a renamed model from another one.';
comment on column analytics.registered_models.description is 'The description in the registry.';
comment on column analytics.registered_models.tags        is 'Tags of the model, as JSON.';
comment on column analytics.registered_models.seen_at     is 'When something about it last changed here.';
comment on column analytics.registered_models.deleted_at  is 'When the registry was first found without it; empty while it is there.';

create table analytics.registered_model_names (
    model_id   bigint      not null references analytics.registered_models,
    name       text        not null,
    valid_from timestamptz not null,
    valid_to   timestamptz,
    primary key (model_id, valid_from),
    check (valid_from <= valid_to),
    constraint registered_model_names_now exclude using btree (name with =) where (valid_to is null) deferrable initially deferred
);
create unique index registered_model_names_one on analytics.registered_model_names (model_id) where valid_to is null;
create index registered_model_names_by_name on analytics.registered_model_names (name, valid_from);
comment on table analytics.registered_model_names is 'Which name a model had and when, as the bridge saw it; valid_to null is now. The first name counts from the creation of the model.';
comment on column analytics.registered_model_names.model_id   is 'Of analytics.registered_models.';
comment on column analytics.registered_model_names.name       is 'A name that the model had.';
comment on column analytics.registered_model_names.valid_from is 'Since when (instant).';
comment on column analytics.registered_model_names.valid_to   is 'Until when; empty while it has the name.';

create table analytics.model_versions (
    version_id        bigint generated always as identity primary key,
    model_id          bigint      not null references analytics.registered_models,
    name              text        not null,
    version           int         not null check (version > 0),
    created_at        timestamptz not null,
    kind              text,
    run_id            text,
    source            text,
    status            text        not null,
    tags              jsonb       not null default '{}',
    params            jsonb       not null default '{}',
    metrics           jsonb       not null default '{}',
    lineage           jsonb,
    lineage_sha256    text,
    lineage_state     text        not null check (lineage_state in ('complete', 'claimed', 'incomplete')),
    lineage_problem   text,
    as_of             timestamptz,
    trained_from      timestamptz,
    trained_to        timestamptz,
    seen_at           timestamptz not null default now(),
    deleted_at        timestamptz,
    description       text,
    stage             text,
    logged_model_id   text,
    run_state         text        not null default 'none' check (run_state in ('there', 'deleted', 'gone', 'none')),
    run_name          text,
    run_user          text,
    experiment        text,
    run_tags          jsonb       not null default '{}',
    datasets          jsonb       not null default '[]' check (jsonb_typeof(datasets) = 'array'),
    inferred_features text[],
    lineage_read_at   timestamptz,
    run_began_at      timestamptz,
    run_ended_at      timestamptz,
    verified_at       timestamptz,
    verified_problem  text,
    altered           text,
    constraint model_versions_identity unique (model_id, version, created_at),
    constraint model_versions_lineage_problem_check check ((lineage_state = 'complete') = (lineage_problem is null)),
    constraint model_versions_verified_check check (verified_problem is null or verified_at is not null)
);
create unique index model_versions_live on analytics.model_versions (model_id, version) where deleted_at is null;
create index model_versions_by_name on analytics.model_versions (name, version);
comment on table analytics.model_versions is 'One version of a registered model. MLflow never uses a number twice within a model, so the identity is model, version and time of creation.';
comment on column analytics.model_versions.version_id        is 'Numbers the versions of all models; forecasts, checks and decisions name it.';
comment on column analytics.model_versions.model_id          is 'Of analytics.registered_models.';
comment on column analytics.model_versions.name              is 'The name of its model now, or the last one.';
comment on column analytics.model_versions.version           is 'The number that MLflow gave it, from 1 within its model.';
comment on column analytics.model_versions.created_at        is 'When the registry says that it was registered.';
comment on column analytics.model_versions.kind              is 'The kind of the model: auto, lean, naive, …; empty of models that say none.';
comment on column analytics.model_versions.run_id            is 'MLflow''s id of the run; empty when it was registered without one.';
comment on column analytics.model_versions.source            is 'Where MLflow keeps its files.';
comment on column analytics.model_versions.status            is 'MLflow''s status of the version: READY when it can be loaded.';
comment on column analytics.model_versions.tags              is 'Tags of the version, as JSON.';
comment on column analytics.model_versions.params            is 'Of the run, as long as there is one; then what was last seen of it. So are metrics, run_name, run_user, experiment, run_tags and datasets.';
comment on column analytics.model_versions.metrics           is 'Of the run, as last seen, but those that were anchored as they were recorded then.';
comment on column analytics.model_versions.lineage           is 'What it was made from. Once it is here it never changes; what the model says otherwise later is in verified_problem.';
comment on column analytics.model_versions.lineage_sha256    is 'SHA-256 of the document in lineage.';
comment on column analytics.model_versions.lineage_state     is 'complete: known and anchored; claimed: it says that mlops train made it, which is not on record here; incomplete: see lineage_problem.';
comment on column analytics.model_versions.lineage_problem   is 'Why the lineage is not complete; empty when it is.';
comment on column analytics.model_versions.as_of             is 'The model was trained on what was recorded by this time.';
comment on column analytics.model_versions.trained_from      is 'The first step of its training data.';
comment on column analytics.model_versions.trained_to        is 'The newest step of its training data.';
comment on column analytics.model_versions.seen_at           is 'When something about it last changed here.';
comment on column analytics.model_versions.deleted_at        is 'When the registry was first found without it; empty while it is there.';
comment on column analytics.model_versions.description       is 'The description in the registry.';
comment on column analytics.model_versions.stage             is 'MLflow''s older way to say what aliases say.';
comment on column analytics.model_versions.logged_model_id   is 'MLflow''s model_id, when the version was registered from one.';
comment on column analytics.model_versions.run_state         is 'What is true of its run now: there, deleted (can be restored), gone (collected, with params and metrics), none (registered without one).';
comment on column analytics.model_versions.run_name          is 'The name of the run.';
comment on column analytics.model_versions.run_user          is 'Who ran it, as MLflow says.';
comment on column analytics.model_versions.experiment        is 'The name of the experiment of its run.';
comment on column analytics.model_versions.run_tags          is 'Tags of the run, as JSON.';
comment on column analytics.model_versions.datasets          is 'Inputs of the run: name, digest, source_type, source, tags.';
comment on column analytics.model_versions.inferred_features is 'Names in the model''s signature, when it declares no features.';
comment on column analytics.model_versions.lineage_read_at   is 'When the files of the model were last read for their lineage; empty when that is still to be done.';
comment on column analytics.model_versions.run_began_at      is 'When the run began; empty where there is none.';
comment on column analytics.model_versions.run_ended_at      is 'Empty while the run goes on, and where there is none; so is run_began_at.';
comment on column analytics.model_versions.verified_at       is 'When the files of the model were last compared with its lineage; champions are, once an hour.';
comment on column analytics.model_versions.verified_problem  is 'What was other than the lineage says; empty when nothing was.';
comment on column analytics.model_versions.altered           is 'Which metrics of the run and tags of the version are other ones now than were anchored; empty when none is.';

create table analytics.model_aliases (
    model_id   bigint      not null references analytics.registered_models,
    alias      text        not null,
    version_id bigint      not null references analytics.model_versions,
    valid_from timestamptz not null default clock_timestamp(),
    valid_to   timestamptz,
    primary key (model_id, alias, valid_from),
    check (valid_from <= valid_to)
);
create unique index model_aliases_now on analytics.model_aliases (model_id, alias) where valid_to is null;
comment on table analytics.model_aliases is 'Which version an alias pointed to and when, as the bridge saw it; valid_to null is now.';
comment on column analytics.model_aliases.model_id   is 'Of analytics.registered_models.';
comment on column analytics.model_aliases.alias      is 'The alias: champion, challenger, or one of the user''s own.';
comment on column analytics.model_aliases.version_id is 'Of analytics.model_versions.';
comment on column analytics.model_aliases.valid_from is 'When the alias was first seen to point to the version (instant).';
comment on column analytics.model_aliases.valid_to   is 'Until when it did; empty while it does.';

-- A hint for servers that wait for it: they ask the registry itself what an alias means. By statement, and only where an alias
-- moved or a version came or went: a notice takes a lock of the whole server at commit, so nothing that is written often may give one.
create function analytics.hint_aliases() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on set quote_all_identifiers = off
as $$
begin
    perform pg_notify('mlops_aliases', '');
    return null;
end $$;
comment on function analytics.hint_aliases is 'Notifies on the channel mlops_aliases that the mirror has seen an alias move or a version go.';
create trigger hint_aliases after insert or update of valid_to on analytics.model_aliases
   for each statement execute function analytics.hint_aliases();
create trigger hint_aliases after update on analytics.model_versions for each row
  when (old.deleted_at is distinct from new.deleted_at) execute function analytics.hint_aliases();

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
comment on table analytics.registry_mirror is 'Which registry the mirror follows and how fresh it is; one row.';
comment on column analytics.registry_mirror.only_one   is 'Always true: there is one row.';
comment on column analytics.registry_mirror.registry   is 'The identity of the registry, whatever address it is reached by: its oldest experiment and when that was made. Empty before the first sync.';
comment on column analytics.registry_mirror.address    is 'Where it was last read, without a password.';
comment on column analytics.registry_mirror.adopted_at is 'Since when the mirror follows this registry.';
comment on column analytics.registry_mirror.synced_at  is 'The mirror shows the registry as it was then.';
comment on column analytics.registry_mirror.how        is 'How it was last read: sql, or api.';
comment on column analytics.registry_mirror.seconds    is 'How long the last sync took.';
comment on column analytics.registry_mirror.models     is 'Live models; so are versions and aliases.';
comment on column analytics.registry_mirror.versions   is 'Versions that the registry has now.';
comment on column analytics.registry_mirror.aliases    is 'Aliases that point somewhere now.';
comment on column analytics.registry_mirror.failed_at  is 'When a sync last failed; empty when the last one did not.';
comment on column analytics.registry_mirror.failure    is 'Why the last sync failed; empty when it did not.';

insert into analytics.registry_mirror default values;

create table analytics.webhook_deliveries (
    delivery_id text        primary key check (length(delivery_id) between 1 and 200),
    received_at timestamptz not null default clock_timestamp()
);
create index webhook_deliveries_by_time on analytics.webhook_deliveries (received_at);
comment on table analytics.webhook_deliveries is 'Signed deliveries of MLflow''s webhooks of the last hour; a delivery that is here is refused as a replay.';
comment on column analytics.webhook_deliveries.delivery_id is 'X-MLflow-Delivery-Id, which the signature covers.';
comment on column analytics.webhook_deliveries.received_at is 'When it came in (instant).';

-- Anchors: what a model version was when it was first recorded, out of reach of those who may write to MLflow ---------------

create table analytics.model_anchors (
    version_id     bigint      primary key references analytics.model_versions,
    anchored_by    text        not null check (anchored_by in ('training', 'copy', 'sync')),
    copy_of        bigint      references analytics.model_versions,
    lineage_sha256 text        check (lineage_sha256 ~ '^[0-9a-f]{64}$'),
    files          jsonb       not null check (jsonb_typeof(files) = 'object'),
    metrics        jsonb       not null default '{}' check (jsonb_typeof(metrics) = 'object'),
    tags           jsonb       not null default '{}' check (jsonb_typeof(tags) = 'object'),
    anchored_at    timestamptz not null default clock_timestamp(),
    check ((anchored_by = 'copy') = (copy_of is not null))
);
create index model_anchors_by_lineage on analytics.model_anchors (lineage_sha256);
comment on table analytics.model_anchors is 'What a version was when it was first recorded: model, metrics and tags are compared with it ever after. Rows are only added.';
comment on column analytics.model_anchors.version_id     is 'Of analytics.model_versions.';
comment on column analytics.model_anchors.anchored_by    is 'training: by the process that made the model, from its memory; copy: the same files and lineage as such a version; sync: as registry sync first found it.';
comment on column analytics.model_anchors.copy_of        is 'The version of which it is a copy.';
comment on column analytics.model_anchors.lineage_sha256 is 'The digest of the document in model_versions.lineage; empty for a model that carries none.';
comment on column analytics.model_anchors.files          is 'SHA-256 of each file of the model by its path; without MLmodel only the code and artifacts are known.';
comment on column analytics.model_anchors.metrics        is 'What was measured, by name.';
comment on column analytics.model_anchors.tags           is 'Tags of the version, by name.';
comment on column analytics.model_anchors.anchored_at    is 'When it was recorded (instant).';

create function analytics.keep_record() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on set quote_all_identifiers = off
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
create trigger keep_record before update or delete or truncate on analytics.observation_edits
   for each statement execute function analytics.keep_record();

-- The named days that models reckon with, mirrored: a library and a model's own files know them, and SQL reads neither ------

create table analytics.model_calendars (
    version_id  bigint      primary key references analytics.model_versions,
    country     text,
    library     text        not null check (library <> ''),
    first_day   date        not null,
    last_day    date        not null,
    mirrored_at timestamptz not null default clock_timestamp(),
    check (first_day <= last_day)
);
comment on table analytics.model_calendars is 'Which calendar a model version reckons with, and for which days it stands in analytics.calendar. mlops registry sync adds a row for every version that says what it was made from, and later years while an alias points to it.';
comment on column analytics.model_calendars.version_id  is 'Of analytics.model_versions.';
comment on column analytics.model_calendars.country     is 'ISO code of the country whose public holidays it knows, perhaps with a part: DE, US-CA; empty where it knows none.';
comment on column analytics.model_calendars.library     is 'The library and its version by which the holidays were found here; the version that the training used is in lineage -> environment of analytics.model_versions.';
comment on column analytics.model_calendars.first_day   is 'The first day that was looked at: 1 January of the year in which its training data begin.';
comment on column analytics.model_calendars.last_day    is 'The last day that was looked at, a 31 December.';
comment on column analytics.model_calendars.mirrored_at is 'When days were last added.';

create table analytics.model_calendar_days (
    version_id bigint           not null references analytics.model_calendars,
    day        date             not null,
    name       text             not null check (name <> ''),
    kind       text             not null check (kind in ('holiday', 'event')),
    share      double precision not null check (share > 0 and share <= 1),
    announced  date,
    series     text[]           check (series <> '{}'),
    primary key (version_id, day, name)
);
comment on table analytics.model_calendar_days is 'One named day of the calendar of a model version; read it as analytics.calendar, with the model''s name.';
comment on column analytics.model_calendar_days.version_id is 'Of analytics.model_calendars.';
comment on column analytics.model_calendar_days.day        is 'The local date.';
comment on column analytics.model_calendar_days.name       is 'The name of the holiday or event.';
comment on column analytics.model_calendar_days.kind       is 'holiday of the country, or event of the user''s own.';
comment on column analytics.model_calendar_days.share      is 'The part of the day off that the name counts for: a half of each of two holidays on the same day; 1 of events.';
comment on column analytics.model_calendar_days.announced  is 'Of an event: the day before which no forecast knew of it; empty when it was planned long ahead.';
comment on column analytics.model_calendar_days.series     is 'Of an event: the ids of the series that it is about; empty where it is about all, as holidays are.';

create view analytics.calendar with (security_invoker = true) as
select v.name as model, v.version, d.version_id, c.country, d.day, d.name, d.kind, d.share, d.announced, d.series,
       exists (select from analytics.model_aliases a where a.version_id = d.version_id and a.alias = 'champion' and a.valid_to is null) as champion
  from analytics.model_calendar_days d
  join analytics.model_calendars c using (version_id)
  join analytics.model_versions v using (version_id);
comment on view analytics.calendar is 'The public holidays and events that each model version reckons with: one row per version, day and name, from the year in which its training data begin.';
comment on column analytics.calendar.model      is 'The registered model''s name now, or its last one.';
comment on column analytics.calendar.version    is 'The number of the model version.';
comment on column analytics.calendar.version_id is 'Of analytics.model_versions.';
comment on column analytics.calendar.country    is 'ISO code of the country whose holidays the version knows, perhaps with a part: DE, US-CA; empty where it knows events alone.';
comment on column analytics.calendar.day        is 'The local date.';
comment on column analytics.calendar.name       is 'The name of the holiday (in English where it is translated) or event.';
comment on column analytics.calendar.kind       is 'holiday of the country, or event of the user''s own.';
comment on column analytics.calendar.share      is 'The part of the day off that the name counts for: a half of each of two holidays on the same day; 1 of events.';
comment on column analytics.calendar.announced  is 'Of an event: the day before which no forecast knew of it; empty when it was planned long ahead.';
comment on column analytics.calendar.series     is 'Of an event: the ids of the series that it is about; empty where it is about all, as holidays are.';
comment on column analytics.calendar.champion   is 'Whether the alias champion points to this version now.';

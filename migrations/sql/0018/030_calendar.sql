-- The named days that models reckon with, mirrored into tables: a library and a model's own files know them, and SQL reads neither.

create table analytics.model_calendars (
    version_id  bigint      primary key references analytics.model_versions,
    country     text,
    library     text        not null check (library <> ''),
    first_day   date        not null,
    last_day    date        not null,
    mirrored_at timestamptz not null default clock_timestamp(),
    check (first_day <= last_day)
);
comment on table  analytics.model_calendars is 'Which calendar a model version reckons with, and for which days it stands in analytics.calendar. mlops registry sync adds a row for every version that says what it was made from, and later years while an alias points to it.';
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
comment on table  analytics.model_calendar_days is 'One named day of the calendar of a model version; read it as analytics.calendar, with the model''s name.';
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
comment on view   analytics.calendar is 'The public holidays and events that each model version reckons with: one row per version, day and name, from the year in which its training data begin.';
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

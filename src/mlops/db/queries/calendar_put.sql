-- mirrors the named days of a version's calendar; what is there stands
with calendar as (
    insert into analytics.model_calendars as c (version_id, country, library, first_day, last_day)
    values (:version_id, :country, :library, :first_day, :last_day)
    on conflict (version_id) do update
       set last_day = greatest(c.last_day, excluded.last_day), library = excluded.library, mirrored_at = clock_timestamp()
)
insert into analytics.model_calendar_days (version_id, day, name, kind, share, announced, series)
select :version_id, d.day, d.name, d.kind, d.share, d.announced, d.series
  from jsonb_to_recordset(cast(:document as jsonb) -> 'days') as d (day date, name text, kind text, share double precision, announced date, series text[])
on conflict (version_id, day, name) do nothing

-- Named days and days without service of model versions.

-- name: calendars_to_mirror
-- versions whose named days are still to be mirrored, and the days from which to which; while an alias points to a version always
-- until the end of next year
select v.version_id, v.lineage -> 'recipe' ->> 'country' as country, coalesce(v.lineage -> 'recipe' -> 'events', '[]') as events,
       coalesce(c.last_day + 1, make_date(date_part('year', v.trained_from at time zone 'UTC')::int, 1, 1)) as first_day, w.last_day
  from analytics.model_versions v
  left join analytics.model_calendars c using (version_id)
 cross join lateral (
       select make_date(1 + date_part('year', greatest(v.trained_to,
                  (select now() from analytics.model_aliases a where a.version_id = v.version_id and a.valid_to is null limit 1))
                  at time zone 'UTC')::int, 12, 31) as last_day) w
 where v.lineage ? 'recipe' and v.trained_from is not null and v.deleted_at is null and coalesce(c.last_day < w.last_day, true)
 order by v.version_id

-- name: mirror_calendar
-- mirrors the named days of a version's calendar; days that are there already are kept
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

-- name: set_service_calendar
-- stores on which weekdays and in which months series are not served; what was known at a later time is kept
insert into analytics.service_calendar as c (series_id, closed_weekdays, closed_months, as_of)
select d.series_id, d.closed_weekdays, d.closed_months, :as_of
  from jsonb_to_recordset(cast(:document as jsonb) -> 'series') as d (series_id bigint, closed_weekdays smallint[], closed_months smallint[])
 order by d.series_id
on conflict (series_id) do update
   set closed_weekdays = excluded.closed_weekdays, closed_months = excluded.closed_months, as_of = excluded.as_of
 where c.as_of <= excluded.as_of
   and (c.closed_weekdays, c.closed_months) is distinct from (excluded.closed_weekdays, excluded.closed_months)

-- Each series has a time zone: its days, weeks and hours are local ones, while storage and partitions stay UTC.

create function analytics.is_time_zone(p_name text) returns boolean
language plpgsql immutable set search_path = pg_catalog, pg_temp set standard_conforming_strings = on set quote_all_identifiers = off
as $$
begin
    -- abbreviations and POSIX rules, which the server would take too, are not names of places
    return p_name ~ '^(UTC|Etc/[A-Z][A-Za-z]+|Etc/GMT[+-][0-9]{1,2}|[A-Z][A-Za-z]+(/[A-Z][A-Za-z_-]+)+)$'
       and timestamptz 'epoch' at time zone p_name is not null;
exception when invalid_parameter_value then
    return false;
end $$;
comment on function analytics.is_time_zone is 'Whether this is an IANA name that the server knows, like Europe/Berlin or UTC.';

create function analytics.step_anchor(p_seconds int, p_months int, p_dated boolean, p_at timestamptz) returns int
language sql immutable
as $$
    select case when not p_dated then mod(mod(floor(extract(epoch from p_at))::bigint, p_seconds) + p_seconds, p_seconds)
                when p_seconds > 0 then mod(mod(floor(extract(epoch from p_at))::bigint - 345600, p_seconds) + p_seconds, p_seconds)
                when p_months > 0 then mod((extract(year from p_at at time zone 'UTC') * 12 + extract(month from p_at at time zone 'UTC') - 1)::bigint, p_months)
                else 0 end::int
$$;
comment on function analytics.step_anchor is 'How much later than usual (a full hour UTC, a Monday, January) a step begins that begins at this time: seconds, or months of quarters and years.';

create function analytics.begins_step(p_seconds int, p_months int, p_dated boolean, p_clock text, p_anchor int, p_at timestamptz) returns boolean
language sql immutable
as $$
    select case when not isfinite(p_at) then false
                when not p_dated then mod(extract(epoch from p_at at time zone p_clock) - coalesce(p_anchor, 0), p_seconds) = 0
                when p_at at time zone 'UTC' <> date_trunc('day', p_at at time zone 'UTC') then false
                when p_months > 0 then extract(day from p_at at time zone 'UTC') = 1
                                       and analytics.step_anchor(p_seconds, p_months, p_dated, p_at) = coalesce(p_anchor, 0)
                when p_seconds = 604800 then analytics.step_anchor(p_seconds, p_months, p_dated, p_at) = coalesce(p_anchor, 0)
                when p_seconds = 0 then extract(isodow from p_at at time zone 'UTC') < 6
                else true end
$$;
comment on function analytics.begins_step is 'Whether a time is the beginning of a step: by the series'' clock for hours and shorter, by its date for longer ones.';

create function analytics.local_day(p_at timestamptz, p_dated boolean, p_time_zone text) returns date
language sql immutable
as $$
    select (p_at at time zone case when p_dated then 'UTC' else p_time_zone end)::date
$$;
comment on function analytics.local_day is 'The local date of a value''s time: of steps of a day or longer (p_dated) the date that it carries as 00:00 UTC, of shorter ones the date by the clock of the series. The same in every session.';

create function analytics.step_end(p_at timestamptz, p_seconds int, p_months int) returns timestamptz
language sql immutable
as $$
    select (p_at at time zone 'UTC' + make_interval(months => p_months,
               secs => case when p_months > 0 then 0 when p_seconds > 0 then p_seconds else 86400 end)) at time zone 'UTC'
$$;
comment on function analytics.step_end is 'When the step that begins at a time is over, by the seconds and months of its granularity; of weekdays after a day. Dated steps end at 00:00 UTC, as they begin.';

create function analytics.in_words(p_span interval) returns text
language sql immutable set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on set quote_all_identifiers = off
as $$
    select case when s < 120 then round(s) || ' s' when s < 7200 then round(s / 60) || ' min'
                when s < 172800 then round(s / 3600) || ' h' else round(s / 86400) || ' days' end
      from (select date_part('epoch', p_span)::numeric) e (s)
$$;
comment on function analytics.in_words is 'A span of time in its largest sensible unit: 90 s, 15 min, 30 h, 12 days.';

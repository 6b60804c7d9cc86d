-- What several views ask: which local day a time belongs to, when a step is over, and what labels call a place.

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

create function analytics.label_name(s analytics.series, p_place text) returns text
language sql stable
as $$
    select coalesce(s.labels ->> (p_place || '_name'), case when s.level = p_place then s.labels ->> 'name' end)
$$;
comment on function analytics.label_name is 'What the labels of a series call its customer, route, vehicle, driver or site (p_place): the label customer_name and so on, or name where the series is that place''s own by its level.';

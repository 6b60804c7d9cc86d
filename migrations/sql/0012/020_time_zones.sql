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

alter table analytics.series
    add column time_zone text not null default 'UTC' constraint series_time_zone_check check (analytics.is_time_zone(time_zone)),
    add column anchor    int  constraint series_anchor_check check (anchor >= 0);
comment on column analytics.series.time_zone is 'IANA name of the clock by which its days, weeks and hours are reckoned; not a part of what tells series apart. Changing it marks what must be summarised and scored anew.';
comment on column analytics.series.anchor    is 'How much later than usual its steps begin: seconds after Monday (a week), months after January (a quarter, a year), seconds after the full hour UTC where hours are of a zone that nobody named. Null where there is no choice, or no value yet.';

update analytics.series set anchor = 0 where granularity = 'hourly';
update analytics.series s
   set anchor = (select analytics.step_anchor(604800, 0, true, m.observed_at) from analytics.time_series_metrics m
                  where m.series_id = s.series_id order by m.observed_at desc limit 1)
 where granularity = 'weekly';

-- A series that is told its zone later: what is stored are instants, so only the days and the scores that rest on a clock change
create function analytics.change_time_zone() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set timezone = 'UTC' set standard_conforming_strings = on set quote_all_identifiers = off
as $$
declare
    step record;
    off  timestamptz;
    span record;
begin
    select * into step from analytics.granularities where name = new.granularity;
    if step.dated or not analytics.is_time_zone(new.time_zone) then  -- the column's check refuses the latter
        return new;
    end if;
    new.anchor := case when new.time_zone = 'UTC' then (
        select analytics.step_anchor(step.seconds, 0, false, m.observed_at) from analytics.time_series_metrics m
         where m.series_id = new.series_id order by m.observed_at limit 1) else 0 end;
    select min(m.observed_at) into off from analytics.time_series_metrics m
     where m.series_id = new.series_id and not analytics.begins_step(step.seconds, 0, false, new.time_zone, new.anchor, m.observed_at);
    if off is not null then
        raise exception 'series % can''t be of %: its value of % UTC is then at %', new.series_id, new.time_zone,
              to_char(off, 'YYYY-MM-DD HH24:MI'), to_char(off at time zone new.time_zone, 'HH24:MI')
              using errcode = 'check_violation', hint = format('a value of granularity %s carries %s; nothing was changed', step.name, step.begins);
    end if;
    select min(observed_at) as first_at, max(observed_at) as last_at into span from analytics.time_series_metrics where series_id = new.series_id;
    if span.first_at is not null then
        insert into analytics.dirty_days (series_id, first_day, last_day)
        values (new.series_id, span.first_at::date - 1, span.last_at::date + 1);
        insert into analytics.unscored (series_id, since) values (new.series_id, span.first_at);
    end if;
    return new;
end $$;
comment on function analytics.change_time_zone is 'Marks the days of a series whose zone changes, and its scores; refuses a zone by whose clock its values don''t begin their steps.';
revoke execute on function analytics.change_time_zone from public;
create trigger change_time_zone before update of time_zone on analytics.series
    for each row when (old.time_zone is distinct from new.time_zone) execute function analytics.change_time_zone();

create or replace view analytics.time_series as
select s.tenant_id, s.metric_type, t.unit, s.granularity, s.series_id, s.customer_id, s.route_id, s.vehicle_id, s.driver_id, s.site_id,
       m.observed_at, m.value, m.value_lower, m.value_upper, m.quality_score, m.is_anomaly, m.anomaly_score, m.recorded_at,
       s.labels, s.service_area, s.seasonality, s.external_factors, s.time_zone
  from analytics.time_series_metrics m
  join analytics.series s using (series_id)
  join analytics.metric_types t on t.name = s.metric_type;

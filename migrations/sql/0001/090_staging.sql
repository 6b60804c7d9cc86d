-- The door for any SQL client: rows go into time_series_staging, and its trigger makes months and moves them.

create function analytics.series_for(
    metric_type text,
    granularity text  default 'daily',
    customer_id text  default null,
    route_id    text  default null,
    vehicle_id  text  default null,
    driver_id   text  default null,
    site_id     text  default null,
    labels      jsonb default '{}',
    tenant_id   int   default 1,
    time_zone   text  default null,
    external_factors jsonb default null
) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp set standard_conforming_strings = on set quote_all_identifiers = off
as $$
declare
    found_id   bigint;
    found_zone text;
    broken     text;
begin
    for attempt in 1 .. 2 loop
        select s.series_id, s.time_zone into found_id, found_zone from analytics.series s
         where s.tenant_id = series_for.tenant_id and s.metric_type = series_for.metric_type and s.granularity = series_for.granularity
           and s.customer_id is not distinct from series_for.customer_id and s.route_id is not distinct from series_for.route_id
           and s.vehicle_id is not distinct from series_for.vehicle_id and s.driver_id is not distinct from series_for.driver_id
           and s.site_id is not distinct from series_for.site_id and s.labels = series_for.labels;
        exit when found_id is not null;
        -- somebody else may add the same at this moment: then the second look finds it
        insert into analytics.series as s (tenant_id, metric_type, granularity, customer_id, route_id, vehicle_id, driver_id, site_id, labels, time_zone)
        values (series_for.tenant_id, series_for.metric_type, series_for.granularity, series_for.customer_id, series_for.route_id,
                series_for.vehicle_id, series_for.driver_id, series_for.site_id, series_for.labels,
                coalesce(series_for.time_zone, 'UTC'))
        on conflict on constraint series_identity do nothing
        returning s.series_id into found_id;
        exit when found_id is not null;
    end loop;
    if series_for.time_zone <> found_zone then
        if found_zone <> 'UTC' then
            raise exception 'series % is of %, and not of %', found_id, found_zone, series_for.time_zone
                  using errcode = 'invalid_parameter_value',
                        hint = 'leave the zone out, or if the stored one is wrong: update analytics.series set time_zone = ... where series_id = ...';
        end if;
        update analytics.series s set time_zone = series_for.time_zone where s.series_id = found_id;
    end if;
    if series_for.external_factors is not null then
        update analytics.series s set external_factors = jsonb_strip_nulls(coalesce(s.external_factors, '{}') || series_for.external_factors)
         where s.series_id = found_id
           and s.external_factors is distinct from jsonb_strip_nulls(coalesce(s.external_factors, '{}') || series_for.external_factors);
    end if;
    return found_id;
exception
    when foreign_key_violation then
        get stacked diagnostics broken = constraint_name;
        if broken = 'series_granularity_fkey' then
            raise exception 'there is no granularity %', quote_literal(series_for.granularity)
                  using errcode = 'foreign_key_violation',
                        hint = 'expected one of ' || (select string_agg(name, ', ' order by position) from analytics.granularities);
        end if;
        raise exception 'metric type % is not declared', quote_literal(series_for.metric_type)
              using errcode = 'foreign_key_violation',
                    hint = 'declare it with: insert into analytics.metric_types (name, unit, aggregate) values (...)';
    when check_violation then
        get stacked diagnostics broken = constraint_name;
        if broken = 'series_time_zone_check' then
            raise exception '% is not a time zone that the server knows', quote_literal(series_for.time_zone)
                  using errcode = 'invalid_parameter_value', hint = 'write it like Pacific/Auckland or UTC';
        end if;
        raise;
end $$;
comment on function analytics.series_for is 'The id of a series by what it is; a series that is not there yet is made. A zone that is named becomes that of a series that had none; external factors that are named join those that are there, and one that is null goes.';
revoke execute on function analytics.series_for from public;

create unlogged table analytics.time_series_staging (
    series_id     bigint           not null,
    observed_at   timestamptz      not null,
    value         double precision not null,
    value_lower   double precision,
    value_upper   double precision,
    quality_score real
);
comment on table analytics.time_series_staging is 'The door for any SQL client: what is inserted or copied here goes to the partition of its month (made when it is missing), and this table stays empty. analytics.series_for gives the series_id.';
comment on column analytics.time_series_staging.series_id     is 'Of analytics.series; analytics.series_for gives it.';
comment on column analytics.time_series_staging.observed_at   is 'When the step begins: an instant, or of steps of a day or longer 00:00 UTC of the local date.';
comment on column analytics.time_series_staging.value         is 'The value, in the unit of the metric type.';
comment on column analytics.time_series_staging.value_lower   is 'Lower bound of what was measured, or empty.';
comment on column analytics.time_series_staging.value_upper   is 'Upper bound of what was measured, or empty.';
comment on column analytics.time_series_staging.quality_score is 'From 0 to 1; leave it empty to have it scored by mlops db maintain.';

create function analytics.route_staging() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set timezone = 'UTC' set work_mem = '64MB'
set standard_conforming_strings = on set quote_all_identifiers = off
as $$
declare
    ids    bigint[];
    firsts timestamptz[];
    doubt  boolean;
    wrong  record;
begin
    select array_agg(a.series_id), array_agg(a.first_at),
           coalesce(bool_or(a.crossed or not (a.lowest > '-infinity' and a.highest < 'infinity')
                            or s.series_id is null or a.lowest < t.min_value or a.highest > t.max_value), false)
      into ids, firsts, doubt
      from (select series_id, min(observed_at) filter (where isfinite(observed_at)) as first_at, min(value) as lowest, max(value) as highest,
                   coalesce(bool_or(value_lower > value or value_upper < value), false) as crossed
              from arrived group by series_id) a
      left join analytics.series s using (series_id)
      left join analytics.metric_types t on t.name = s.metric_type;
    if ids is null then
        return null;
    end if;

    -- the first rows of a series say when its steps begin, where there is a choice
    update analytics.series s
       set anchor = case when g.dated then analytics.step_anchor(g.seconds, g.months, g.dated, f.first_at) else 0 end
      from unnest(ids, firsts) f (series_id, first_at), analytics.granularities g
     where s.series_id = f.series_id and s.anchor is null and f.first_at is not null
       and g.name = s.granularity and (not g.dated or g.seconds = 604800 or g.months > 1);

    -- One row that can't be taken refuses the whole statement. Most statements hold none: that no time is doubtful for any clock of the
    -- series, as no value was above for any bounds, is told without a look at each row.
    if not doubt then
        select coalesce(bool_or(not analytics.begins_step(g.seconds, g.months, g.dated, k.time_zone, k.anchor, b.observed_at)), false) into doubt
          from (select distinct granularity, time_zone, coalesce(anchor, 0) as anchor from analytics.series where series_id = any (ids)) k
          join analytics.granularities g on g.name = k.granularity
         cross join (select distinct observed_at from arrived) b;
    end if;
    if doubt then
        select a.series_id, a.observed_at, a.value, s.series_id is null as unknown, s.metric_type, s.granularity, s.time_zone, s.anchor,
               g.seconds, g.months, g.dated, g.begins, t.min_value, t.max_value into wrong
          from arrived a
          left join analytics.series s using (series_id)
          left join analytics.granularities g on g.name = s.granularity
          left join analytics.metric_types t on t.name = s.metric_type
         where s.series_id is null or not (a.value > '-infinity' and a.value < 'infinity')
            or a.value < t.min_value or a.value > t.max_value or a.value_lower > a.value or a.value_upper < a.value
            or (s.granularity, s.time_zone, coalesce(s.anchor, 0), a.observed_at) in (  -- judged once for each time that occurs
                select k.granularity, k.time_zone, k.anchor, k.observed_at
                  from (select distinct d.granularity, d.time_zone, coalesce(d.anchor, 0) as anchor, b.observed_at
                          from arrived b join analytics.series d using (series_id)) k
                  join analytics.granularities h on h.name = k.granularity
                 where not analytics.begins_step(h.seconds, h.months, h.dated, k.time_zone, k.anchor, k.observed_at))
         limit 1;
        doubt := found;
    end if;
    if doubt then
        raise exception 'series %, % UTC, value %: %', wrong.series_id, wrong.observed_at at time zone 'UTC', wrong.value,
              case when wrong.unknown then 'there is no such series'
                   when not analytics.begins_step(wrong.seconds, wrong.months, wrong.dated, wrong.time_zone, wrong.anchor, wrong.observed_at)
                   then format('a value of granularity %s carries %s', wrong.granularity, wrong.begins)
                        || case when not isfinite(wrong.observed_at) then ''
                                when not wrong.dated then format('; by that of %s it is %s', wrong.time_zone, to_char(wrong.observed_at at time zone wrong.time_zone, 'HH24:MI:SS'))
                                when wrong.seconds = 604800
                                then format('; the weeks of this series begin on a %s, and this is a %s',
                                            to_char(timestamp '1970-01-05' + make_interval(secs => wrong.anchor), 'FMDay'), to_char(wrong.observed_at, 'FMDay'))
                                when wrong.months > 1
                                then format('; this series has one that begins in %s', to_char(make_date(1970, wrong.anchor + 1, 1), 'FMMonth')) else '' end
                   else format('%s takes %s to %s, value_lower <= value <= value_upper',
                               wrong.metric_type, coalesce(wrong.min_value::text, 'any value'), coalesce(wrong.max_value::text, 'any value')) end
              using errcode = 'check_violation', hint = 'nothing of this statement was stored; correct the row'
                                                        || case when wrong.unknown then ', or make the series with analytics.series_for'
                                                                when not wrong.dated and wrong.time_zone = 'UTC' then ', or name the series'' time_zone to analytics.series_for' else '' end;
    end if;

    perform analytics.prepare_arriving();
    insert into pg_temp.arriving (series_id, observed_at, value, value_lower, value_upper, quality_score, quality_stated)
    select series_id, observed_at, value, value_lower, value_upper, quality_score, quality_score is not null from arrived;
    perform analytics.merge_arriving();
    delete from analytics.time_series_staging;  -- only this transaction's rows are visible to it
    return null;
end $$;
comment on function analytics.route_staging is 'Moves what a statement wrote into time_series_staging to where it belongs: checked, exactly once, corrections kept as revisions.';
revoke execute on function analytics.route_staging from public;
create trigger route after insert on analytics.time_series_staging
    referencing new table as arrived for each statement execute function analytics.route_staging();

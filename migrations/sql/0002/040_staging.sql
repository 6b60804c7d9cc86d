-- The two doors for observations: the staging table for any SQL client, and what `mlops series ingest` needs besides COPY.

create table analytics.ingest_progress (
    sha256      text        not null,
    part_sha256 text        not null,
    inserted    bigint      not null check (inserted >= 0),
    corrected   bigint      not null check (corrected >= 0),
    stored_at   timestamptz not null default clock_timestamp(),
    primary key (sha256, part_sha256)
);
comment on table analytics.ingest_progress is 'Which batches of a file are stored, while the file is not stored whole: an interrupted ingest goes on from here. Empty otherwise.';

create function analytics.make_month_alone(p_month date) returns text
language plpgsql set search_path = pg_catalog, pg_temp set timezone = 'UTC'
as $$
declare
    -- a name of this transaction's own: another load of the same month may be under way
    table_name constant text := format('time_series_metrics_alone_%s_%s', to_char(p_month, 'YYYY_MM'), pg_current_xact_id());
begin
    execute format('create table analytics.%I (like analytics.time_series_metrics including defaults including constraints including storage including statistics)',
                   table_name);
    return 'analytics.' || table_name;
end $$;
comment on function analytics.make_month_alone is 'A table like a partition of observations but without indexes, to be filled in this transaction and attached by attach_month.';

create function analytics.attach_month(p_table regclass, p_month date) returns void
language plpgsql set search_path = pg_catalog, pg_temp set timezone = 'UTC'
as $$
declare
    parent      constant regclass := 'analytics.time_series_metrics';
    month_start constant timestamptz := make_timestamptz(date_part('year', p_month)::int, date_part('month', p_month)::int, 1, 0, 0, 0, 'UTC');
    part_name   constant text := 'time_series_metrics' || to_char(month_start, '"_p"YYYY"_"MM');
begin
    lock table only analytics.time_series_metrics in share update exclusive mode;
    if to_regclass('analytics.' || part_name) is not null then
        raise exception 'the partition of % was made by somebody else meanwhile', to_char(month_start, 'YYYY-MM')
              using errcode = 'serialization_failure', hint = 'try again: the rows will go into that partition';
    end if;
    execute format('alter table %s rename to %I', p_table, part_name);
    execute format('alter table %s attach partition analytics.%I for values from (%L) to (%L)',
                   parent, part_name, month_start, month_start + interval '1 month');
    insert into analytics.partition_log (parent, partition, action) values (parent::text, 'analytics.' || part_name, 'made');
end $$;
comment on function analytics.attach_month is 'Makes a table that was loaded on its own the partition of its month; its indexes are built here, at once. Fails, to be tried again, when the month has a partition already.';
revoke execute on function analytics.make_month_alone, analytics.attach_month from public;

create table analytics.unscored (
    mark_id   bigint generated always as identity primary key,
    series_id bigint      not null,
    since     timestamptz not null
);
comment on table analytics.unscored is 'Series that were written by SQL: from `since` on their quality and anomaly scores are still to be made, by mlops db maintain.';

create function analytics.series_for(
    metric_type text,
    granularity text  default 'daily',
    customer_id text  default null,
    route_id    text  default null,
    vehicle_id  text  default null,
    driver_id   text  default null,
    site_id     text  default null,
    labels      jsonb default '{}',
    tenant_id   int   default 1
) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
declare
    found_id bigint;
begin
    for attempt in 1 .. 2 loop
        select s.series_id into found_id from analytics.series s
         where s.tenant_id = series_for.tenant_id and s.metric_type = series_for.metric_type and s.granularity = series_for.granularity
           and s.customer_id is not distinct from series_for.customer_id and s.route_id is not distinct from series_for.route_id
           and s.vehicle_id is not distinct from series_for.vehicle_id and s.driver_id is not distinct from series_for.driver_id
           and s.site_id is not distinct from series_for.site_id and s.labels = series_for.labels;
        exit when found_id is not null;
        -- somebody else may add the same at this moment: then the second look finds it
        insert into analytics.series as s (tenant_id, metric_type, granularity, customer_id, route_id, vehicle_id, driver_id, site_id, labels)
        values (series_for.tenant_id, series_for.metric_type, series_for.granularity, series_for.customer_id, series_for.route_id,
                series_for.vehicle_id, series_for.driver_id, series_for.site_id, series_for.labels)
        on conflict on constraint series_identity do nothing
        returning s.series_id into found_id;
        exit when found_id is not null;
    end loop;
    return found_id;
exception when foreign_key_violation then
    raise exception 'metric type % is not declared', quote_literal(series_for.metric_type)
          using errcode = 'foreign_key_violation',
                hint = 'declare it with: insert into analytics.metric_types (name, unit, aggregate) values (...)';
end $$;
comment on function analytics.series_for is 'The id of a series by what it is; a series that is not there yet is made.';
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

create function analytics.route_staging() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp set timezone = 'UTC'
as $$
declare
    wrong    record;
    arrivals bigint;
    taken    bigint;
    inserted bigint;
    months   date[];
    starts   timestamptz[];
begin
    select count(*) into arrivals from arrived;
    if arrivals = 0 then
        return null;
    end if;

    -- one row that can't be taken refuses the whole statement
    select a.series_id, a.observed_at, a.value, s.series_id is null as unknown, s.metric_type, s.granularity, t.min_value, t.max_value into wrong
      from arrived a
      left join analytics.series s using (series_id)
      left join analytics.metric_types t on t.name = s.metric_type
     where s.series_id is null or not (a.value > '-infinity' and a.value < 'infinity')
        or a.value < t.min_value or a.value > t.max_value or a.value_lower > a.value or a.value_upper < a.value
        or (s.granularity, a.observed_at) in (  -- judged once for each time that occurs
            select k.granularity, k.observed_at
              from (select distinct d.granularity, b.observed_at from arrived b join analytics.series d using (series_id)) k
             where k.observed_at <> date_trunc(case k.granularity when 'hourly' then 'hour' when 'monthly' then 'month' else 'day' end, k.observed_at))
     limit 1;
    if found then
        raise exception 'series %, % UTC, value %: %', wrong.series_id, wrong.observed_at at time zone 'UTC', wrong.value,
              case when wrong.unknown then 'there is no such series'
                   else format('%s %s takes %s to %s, value_lower <= value <= value_upper, at the beginning of its period in UTC',
                               wrong.granularity, wrong.metric_type, coalesce(wrong.min_value::text, 'any value'), coalesce(wrong.max_value::text, 'any value')) end
              using errcode = 'check_violation', hint = 'nothing of this statement was stored; correct the row'
                                                        || case when wrong.unknown then ', or make the series with analytics.series_for' else '' end;
    end if;

    select array_agg(distinct date_trunc('month', observed_at)::date order by date_trunc('month', observed_at)::date) into months from (select distinct observed_at from arrived) times;
    starts := months::timestamptz[];  -- both ascend
    perform analytics.ensure_partitions(months);

    -- new rows, in key order so that two writers wait for each other and never lock up
    with rows as materialized (
        select distinct on (width_bucket(observed_at, starts), series_id, observed_at)
               series_id, observed_at, value, value_lower, value_upper, quality_score
          from arrived order by width_bucket(observed_at, starts), series_id, observed_at
    ), stored as (
        insert into analytics.time_series_metrics (series_id, observed_at, value, value_lower, value_upper, quality_score)
        select series_id, observed_at, value, value_lower, value_upper, coalesce(quality_score, 1) from rows
        on conflict (series_id, observed_at) do nothing
        returning 1
    ), dirty as (
        insert into analytics.dirty_days (series_id, first_day, last_day)
        select series_id, min(observed_at)::date, max(observed_at)::date from rows group by series_id
    ), unscored as (
        insert into analytics.unscored (series_id, since)
        select series_id, min(observed_at) from rows group by series_id having bool_or(quality_score is null)
    )
    select (select count(*) from rows), (select count(*) from stored) into taken, inserted;

    if taken < arrivals then
        select series_id, observed_at into wrong from arrived group by 1, 2
        having min(value) <> max(value) or min(value_lower) is distinct from max(value_lower) or min(value_upper) is distinct from max(value_upper)
        limit 1;
        if found then
            raise exception 'series %, % UTC: rows of this statement disagree', wrong.series_id, wrong.observed_at at time zone 'UTC'
                  using errcode = 'cardinality_violation', hint = 'nothing of this statement was stored; keep one of them';
        end if;
    end if;

    -- what says something else than what is stored corrects it, and the old value is kept
    if inserted < taken then
        perform analytics.ensure_partitions(months, 'analytics.time_series_revisions');
        with changed as materialized (
            select m.series_id, m.observed_at, m.value, m.value_lower, m.value_upper, m.recorded_at, a.value as new_value,
                   case when a.value = m.value then coalesce(a.value_lower, m.value_lower) else a.value_lower end as new_lower,
                   case when a.value = m.value then coalesce(a.value_upper, m.value_upper) else a.value_upper end as new_upper,
                   coalesce(a.quality_score, m.quality_score) as new_score,
                   greatest(statement_timestamp(), m.recorded_at + interval '1 microsecond') as known_at
              from arrived a
              join analytics.time_series_metrics m on m.series_id = a.series_id and m.observed_at = a.observed_at
             where m.observed_at >= months[1] and m.observed_at < months[cardinality(months)] + interval '1 month'
               and (m.value, m.value_lower, m.value_upper, m.quality_score) is distinct from
                   (a.value, coalesce(a.value_lower, m.value_lower), coalesce(a.value_upper, m.value_upper), coalesce(a.quality_score, m.quality_score))
             order by m.series_id, m.observed_at
               for update of m
        ), corrected as (
            update analytics.time_series_metrics m
               set value = c.new_value, value_lower = c.new_lower, value_upper = c.new_upper, quality_score = c.new_score, recorded_at = c.known_at
              from changed c
             where m.series_id = c.series_id and m.observed_at = c.observed_at
               and m.observed_at >= months[1] and m.observed_at < months[cardinality(months)] + interval '1 month'
            returning m.series_id, m.observed_at
        )
        insert into analytics.time_series_revisions (series_id, observed_at, value, value_lower, value_upper, recorded_at, superseded_at)
        select c.series_id, c.observed_at, c.value, c.value_lower, c.value_upper, c.recorded_at, c.known_at
          from changed c join corrected using (series_id, observed_at)
        on conflict (series_id, observed_at, superseded_at) do nothing;
    end if;

    delete from analytics.time_series_staging;  -- only this transaction's rows are visible to it
    return null;
end $$;
comment on function analytics.route_staging is 'Moves what a statement wrote into time_series_staging to where it belongs: checked, exactly once, corrections kept as revisions.';
revoke execute on function analytics.route_staging from public;

create trigger route after insert on analytics.time_series_staging
    referencing new table as arrived for each statement execute function analytics.route_staging();

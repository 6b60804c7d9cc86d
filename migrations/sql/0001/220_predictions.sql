-- Every prediction with its outcome, on the same row.

create sequence analytics.prediction_id;
comment on sequence analytics.prediction_id is 'Gives analytics.model_prediction_results.prediction_id.';

-- an identity column can't be on a partitioned table before PostgreSQL 17
create table analytics.model_prediction_results (
    prediction_id       bigint           not null default nextval('analytics.prediction_id'),
    version_id          bigint           not null,
    series_id           bigint           not null,
    issued_at           timestamptz      not null,
    cutoff              timestamptz      not null,
    target_at           timestamptz      not null check (target_at > cutoff),
    horizon             int              not null check (horizon > 0),
    y_hat               double precision not null,
    lo_80               double precision check (lo_80 <= y_hat),
    hi_80               double precision check (hi_80 >= y_hat),
    lo_95               double precision check (lo_95 <= lo_80),
    hi_95               double precision check (hi_95 >= hi_80),
    execution_ms        real,
    memory_mb           real,
    request_id          text,
    decomposition       jsonb,
    outcome             double precision,
    outcome_recorded_at timestamptz,
    matched_at          timestamptz,
    error               double precision generated always as (y_hat - outcome) stored,
    business_context    jsonb,
    feedback            jsonb,
    created_at          timestamptz      not null default now(),
    parts               int,
    tenant_id           int              not null default 1,
    primary key (version_id, series_id, cutoff, target_at),
    check (num_nulls(outcome, outcome_recorded_at, matched_at) in (0, 3))
) partition by range (target_at);
create index model_prediction_results_id on analytics.model_prediction_results (prediction_id);
create index model_prediction_results_open on analytics.model_prediction_results (series_id, target_at) where outcome is null;
create index model_prediction_results_window on analytics.model_prediction_results (version_id, target_at);
comment on table analytics.model_prediction_results is 'One row per version, series, cutoff and target. The first issue stands: what was said is never rewritten; the outcome is what is now known.';
comment on column analytics.model_prediction_results.prediction_id       is 'Numbers the forecasts; mlops registry trace takes it.';
comment on column analytics.model_prediction_results.version_id          is 'Of analytics.model_versions; a trigger refuses any other.';
comment on column analytics.model_prediction_results.series_id           is 'Of analytics.series; a trigger refuses any other.';
comment on column analytics.model_prediction_results.issued_at           is 'The forecast saw only what was recorded by this time.';
comment on column analytics.model_prediction_results.cutoff              is 'The newest step that the forecast could know; horizon counts from there.';
comment on column analytics.model_prediction_results.target_at           is 'The step that is forecast, by the time at which it begins: an instant, or of steps of a day or longer 00:00 UTC of the local date.';
comment on column analytics.model_prediction_results.horizon             is 'How many steps after the cutoff; steps in which the series is closed count, too.';
comment on column analytics.model_prediction_results.y_hat               is 'The forecast, in the unit of the metric type.';
comment on column analytics.model_prediction_results.lo_80               is 'Lower bound of the 80 % interval.';
comment on column analytics.model_prediction_results.hi_80               is 'Upper bound of the 80 % interval.';
comment on column analytics.model_prediction_results.lo_95               is 'Lower bound of the 95 % interval.';
comment on column analytics.model_prediction_results.hi_95               is 'Upper bound of the 95 % interval.';
comment on column analytics.model_prediction_results.execution_ms        is 'How long the call that made it took, in ms, for all of its forecasts.';
comment on column analytics.model_prediction_results.memory_mb           is 'Peak memory of the process that made it, in MiB.';
comment on column analytics.model_prediction_results.request_id          is 'The call that made it; the same of all its forecasts.';
comment on column analytics.model_prediction_results.decomposition       is 'The components of y_hat as JSON, in its unit: trend, seasonality, holidays, …; they add up to it. Empty when none were asked for.';
comment on column analytics.model_prediction_results.outcome             is 'What really happened, as last matched; empty until it is known.';
comment on column analytics.model_prediction_results.outcome_recorded_at is 'When the outcome became known.';
comment on column analytics.model_prediction_results.matched_at          is 'As of when the outcome was written here; empty while it is not known.';
comment on column analytics.model_prediction_results.error               is 'y_hat - outcome: above 0 the forecast was too high.';
comment on column analytics.model_prediction_results.business_context    is 'What a caller wrote beside the forecast, as JSON; mlops itself leaves it empty.';
comment on column analytics.model_prediction_results.feedback            is 'What a person said about the forecast, as JSON; mlops itself leaves it empty.';
comment on column analytics.model_prediction_results.created_at          is 'When the row was stored; issued_at says what the forecast knew.';
comment on column analytics.model_prediction_results.parts               is 'Of a total: how many series it sums. Empty for the forecast of a series by itself, which is what accuracy, monitoring and health judge; a sum over forecasts takes these alone, or one level of totals.';
comment on column analytics.model_prediction_results.tenant_id           is 'The tenant of the series: a copy, so that a policy needs no join; 1 where there is one only.';

insert into analytics.partition_policy (parent) values ('analytics.model_prediction_results');

-- Totals: forecasts of sums, stored like those of the series that they sum
create table analytics.forecast_parts (
    version_id bigint      not null references analytics.model_versions,
    series_id  bigint      not null references analytics.series,
    cutoff     timestamptz not null,
    parts      bigint[]    not null check (cardinality(parts) > 0),
    created_at timestamptz not null default now(),
    tenant_id  int         not null default 1,
    primary key (version_id, series_id, cutoff)
);
comment on table analytics.forecast_parts is 'One row per version, cutoff and total of series (not of weeks): which series were summed. A total that has observations of its own is judged by these, any other by the sum of its parts'' outcomes.';
comment on column analytics.forecast_parts.version_id is 'The version that forecast, of analytics.model_versions.';
comment on column analytics.forecast_parts.series_id  is 'The series of the total, of analytics.series.';
comment on column analytics.forecast_parts.cutoff     is 'The newest step that the forecasts looked back on, as in analytics.model_prediction_results.';
comment on column analytics.forecast_parts.parts      is 'The series that were summed, of analytics.series.';
comment on column analytics.forecast_parts.created_at is 'When the row was stored.';
comment on column analytics.forecast_parts.tenant_id  is 'The tenant of the series: a copy, so that a policy needs no join; 1 where there is one only.';

-- A foreign key would make every new month of predictions wait for the writers of `series` and `model_versions`, and them behind
-- it; so would every drop. Triggers keep the same promise with the locks that a foreign key takes for each row, once a statement.

create function analytics.refuse_orphans(p_version_ids bigint[], p_series_ids bigint[]) returns void
language plpgsql
set search_path = pg_catalog, pg_temp set standard_conforming_strings = on set quote_all_identifiers = off
as $$
declare
    wrong bigint;
begin
    -- locked as a foreign key locks them: nobody can delete them before this transaction ends, everything else goes on
    perform from analytics.model_versions where version_id = any (p_version_ids) order by version_id for key share;
    perform from analytics.series where series_id = any (p_series_ids) order by series_id for key share;
    select w into wrong from unnest(p_version_ids) w where not exists (select from analytics.model_versions v where v.version_id = w) limit 1;
    if found then
        raise exception 'there is no model version %, so it can have no predictions', wrong
              using errcode = 'foreign_key_violation', hint = 'nothing of this statement was stored; mlops registry sync brings versions in';
    end if;
    select w into wrong from unnest(p_series_ids) w where not exists (select from analytics.series s where s.series_id = w) limit 1;
    if found then
        raise exception 'there is no series %, so it can have no predictions', wrong
              using errcode = 'foreign_key_violation', hint = 'nothing of this statement was stored; make the series with analytics.series_for';
    end if;
end $$;
comment on function analytics.refuse_orphans is 'Raises unless these versions and series are there, and keeps them there until the transaction ends.';
revoke execute on function analytics.refuse_orphans from public;

create function analytics.refuse_other_tenants(p_series_ids bigint[], p_tenant_ids int[]) returns void
language plpgsql
set search_path = pg_catalog, pg_temp set standard_conforming_strings = on set quote_all_identifiers = off
as $$
declare
    wrong record;
begin
    select a.series_id, a.tenant_id, s.tenant_id as of_series into wrong
      from unnest(p_series_ids, p_tenant_ids) a (series_id, tenant_id) join analytics.series s using (series_id)
     where a.tenant_id <> s.tenant_id limit 1;
    if found then
        raise exception 'series % is of tenant % and not of %', wrong.series_id, wrong.of_series, wrong.tenant_id
              using errcode = 'check_violation', hint = 'nothing of this statement was stored; take the tenant from analytics.series';
    end if;
end $$;
comment on function analytics.refuse_other_tenants is 'Raises unless these series are of these tenants.';
revoke execute on function analytics.refuse_other_tenants from public;

create function analytics.check_new_predictions() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp set standard_conforming_strings = on set quote_all_identifiers = off
as $$
begin
    perform analytics.refuse_orphans(
        array(select distinct version_id from arrived), array(select distinct series_id from arrived));
    perform analytics.refuse_other_tenants(array_agg(series_id), array_agg(tenant_id))
       from (select distinct series_id, tenant_id from arrived) a;
    return null;
end $$;
comment on function analytics.check_new_predictions is 'Refuses predictions of a version or series that is not there, or under another tenant than that of the series.';
revoke execute on function analytics.check_new_predictions from public;
create trigger check_new after insert on analytics.model_prediction_results
    referencing new table as arrived for each statement execute function analytics.check_new_predictions();

create function analytics.check_moved_prediction() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp set standard_conforming_strings = on set quote_all_identifiers = off
as $$
begin
    perform analytics.refuse_orphans(array[new.version_id], array[new.series_id]);
    perform analytics.refuse_other_tenants(array[new.series_id], array[new.tenant_id]);
    return null;
end $$;
comment on function analytics.check_moved_prediction is 'The same, where a prediction is given to another version, series or tenant.';
revoke execute on function analytics.check_moved_prediction from public;
create trigger check_moved after update of version_id, series_id, tenant_id on analytics.model_prediction_results
    for each row execute function analytics.check_moved_prediction();

create function analytics.keep_what_predictions_name() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp set standard_conforming_strings = on set quote_all_identifiers = off
as $$
declare
    what  text;
    named boolean;
begin
    if tg_op = 'TRUNCATE' then
        what := tg_relid::regclass::text;
        select exists (select from analytics.model_prediction_results) into named;
    elsif tg_table_name = 'series' then
        what := format('series %s', old.series_id);
        select exists (select from analytics.model_prediction_results where series_id = old.series_id) into named;
    else
        what := format('model version %s', old.version_id);
        select exists (select from analytics.model_prediction_results where version_id = old.version_id) into named;
    end if;
    if named then
        raise exception '% can''t go: there are predictions of it', what
              using errcode = 'foreign_key_violation', hint = 'nothing was changed; delete the predictions first';
    end if;
    return null;
end $$;
comment on function analytics.keep_what_predictions_name is 'Refuses to let a version or series go while there are predictions of it.';
revoke execute on function analytics.keep_what_predictions_name from public;
create trigger keep_named after delete on analytics.series
    for each row execute function analytics.keep_what_predictions_name();
create trigger keep_named_id after update of series_id on analytics.series
    for each row when (old.series_id is distinct from new.series_id) execute function analytics.keep_what_predictions_name();
create trigger keep_all_named after truncate on analytics.series
    for each statement execute function analytics.keep_what_predictions_name();
create trigger keep_named after delete on analytics.model_versions
    for each row execute function analytics.keep_what_predictions_name();
create trigger keep_named_id after update of version_id on analytics.model_versions
    for each row when (old.version_id is distinct from new.version_id) execute function analytics.keep_what_predictions_name();
create trigger keep_all_named after truncate on analytics.model_versions
    for each statement execute function analytics.keep_what_predictions_name();

create function analytics.attach_archive(p_archive_id bigint, p_table regclass, p_days int)
returns table (partition text, restored bigint, there bigint)
language plpgsql
set search_path = pg_catalog, pg_temp set timezone = 'UTC' set lock_timeout = '3s'
set standard_conforming_strings = on set quote_all_identifiers = off
as $$
#variable_conflict use_column
declare
    archive     analytics.partition_archives;
    columns     text;
    schema_name name;
    table_name  name;
    versions    bigint[];
    series      bigint[];
begin
    select * into strict archive from analytics.partition_archives a where a.archive_id = p_archive_id;
    partition := archive.partition; restored := archive.rows; there := 0;
    select n.nspname, c.relname into strict schema_name, table_name
      from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = p_table;
    if archive.parent = 'analytics.model_prediction_results'::regclass then
        execute format('select array(select distinct version_id from %1$s), array(select distinct series_id from %1$s)', p_table) into versions, series;
        begin
            perform analytics.refuse_orphans(versions, series);
        exception when foreign_key_violation then
            raise exception '% can''t come back: %', archive.partition, sqlerrm
                  using errcode = 'object_not_in_prerequisite_state', hint = 'nothing was restored; the file stays readable with any Parquet reader';
        end;
    end if;
    if (select count(*) = 2 from pg_attribute where attrelid = p_table and attname in ('tenant_id', 'series_id')) then  -- that of the file is of its time, if it has one
        execute format('update %s a set tenant_id = s.tenant_id from analytics.series s where s.series_id = a.series_id and s.tenant_id <> a.tenant_id', p_table);
    end if;
    execute format('lock table only %s in share update exclusive mode', archive.parent);
    -- whoever has looked which months are archived reads them there and the others here: not while that changes
    lock table analytics.partition_archives in access exclusive mode;
    if exists (select from analytics.month_partitions(archive.parent) m where m.lower_bound = archive.lower_bound) then
        select string_agg(quote_ident(attname), ', ' order by attnum) into columns
          from pg_attribute where attrelid = p_table and attnum > 0 and not attisdropped and attgenerated = '';
        execute format('insert into %s (%s) select %s from %s on conflict do nothing', archive.parent, columns, columns, p_table);
        get diagnostics restored = row_count;
        there := archive.rows - restored;
        execute format('drop table %s', p_table);
    else
        execute format('alter table %s rename to %I', p_table, (parse_ident(archive.partition))[2]);
        execute format('alter table %s attach partition %I.%I for values from (%L) to (%L)',
            archive.parent, schema_name, (parse_ident(archive.partition))[2], archive.lower_bound, archive.upper_bound);
    end if;
    update analytics.partition_archives a
       set restored_at = clock_timestamp(), restored_until = clock_timestamp() + make_interval(days => p_days)
     where a.archive_id = p_archive_id;
    insert into analytics.partition_log (parent, partition, action, rows) values (archive.parent::text, archive.partition, 'restored', restored);
    return next;
end $$;
comment on function analytics.attach_archive is 'Takes a table with the rows of an archive as its month, or brings in those that the month lacks; a part of mlops db restore-archive, which brings the whole family of the month back.';
revoke execute on function analytics.attach_archive from public;

-- Reading ------------------------------------------------------------------------------------------------------------------

-- Every stored forecast as an analyst asks for it: whose it is by name, which day, how far ahead, by which model, and what became of it.
create view analytics.forecasts with (security_invoker = true) as
select s.tenant_id, p.series_id, analytics.series_name(s) as series, s.metric_type, t.unit, s.granularity, s.level, p.parts is not null as total,
       s.customer_id, coalesce(c.name, analytics.label_name(s, 'customer')) as customer,
       s.route_id,    coalesce(r.name, analytics.label_name(s, 'route'))    as route,
       s.site_id,     coalesce(l.name, analytics.label_name(s, 'site'))     as site,
       s.vehicle_id, s.driver_id, s.labels,
       v.name as model, v.version, v.kind, p.version_id,
       exists (select from analytics.model_aliases a where a.version_id = p.version_id and a.alias = 'champion' and a.valid_to is null) as champion,
       p.issued_at, p.cutoff, p.target_at, d.day, p.horizon,
       ceil(date_part('epoch', p.target_at - p.cutoff) / 604800)::int as horizon_week,
       not exists (select from analytics.model_prediction_results n
                    where n.version_id = p.version_id and n.series_id = p.series_id and n.target_at = p.target_at and n.cutoff > p.cutoff) as freshest,
       p.y_hat, p.lo_80, p.hi_80, p.lo_95, p.hi_95,
       p.outcome, p.error, p.outcome_recorded_at, p.matched_at,
       case when p.outcome is not null then 'matched'
            when o.series_id is not null
                 and (date_part('isodow', d.day)::int = any (o.closed_weekdays) or date_part('month', d.day)::int = any (o.closed_months)) then 'closed'
            when p.target_at < now() - interval '28 days' then 'overdue'
            else 'waiting' end as status
  from analytics.model_prediction_results p
  left join analytics.series s using (series_id)
  left join analytics.granularities g on g.name = s.granularity
  left join analytics.metric_types t on t.name = s.metric_type
  left join analytics.model_versions v using (version_id)
  left join analytics.customers c on c.tenant_id = s.tenant_id and c.customer_id = s.customer_id
  left join analytics.routes r on r.tenant_id = s.tenant_id and r.route_id = s.route_id
  left join analytics.sites l on l.tenant_id = s.tenant_id and l.site_id = s.site_id
  left join analytics.service_calendar o on o.series_id = p.series_id
 cross join lateral (select analytics.local_day(p.target_at, g.dated, s.time_zone) as day) d;
comment on view analytics.forecasts is 'One row per stored forecast: model version, series, cutoff and time that it is for, with names, the local day, and what became of it. A day is forecast from many cutoffs and by several versions: a total stands beside what it sums, and a weekly one beside its days: ask for freshest, for one model and champion, for one level and granularity, and either for no totals or for these alone, before you add up. A condition on target_at lets PostgreSQL read the months that it names alone; for local days analytics.forecasts_between does so. It is complete from analytics.complete_from(''analytics.model_prediction_results'') on: months that are archived are not in it.';
comment on column analytics.forecasts.tenant_id           is 'The tenant of the series; 1 where there is one only.';
comment on column analytics.forecasts.series_id           is 'Of analytics.series.';
comment on column analytics.forecasts.series              is 'The name of the series, as mlops series list prints it: its places and labels.';
comment on column analytics.forecasts.metric_type         is 'What is forecast, of analytics.metric_types.';
comment on column analytics.forecasts.unit                is 'The unit of y_hat, its bounds, outcome and error.';
comment on column analytics.forecasts.granularity         is 'How long a step of the series is: hourly, daily, weekly, …';
comment on column analytics.forecasts.level               is 'Whose forecast it is: customer, driver, vehicle, route, site or company. What a route''s customers and the route itself are forecast must not be added up; see analytics.series_parts.';
comment on column analytics.forecasts.total               is 'Whether it is a forecast of a total: of the sum of the series below, or of a whole week of days. It counts each day by how often the series is served on it, so it is not the sum of their y_hat, nor are its bounds of theirs. Else it is what the model forecasts itself.';
comment on column analytics.forecasts.customer_id         is 'The customer of the series; empty where it has none.';
comment on column analytics.forecasts.customer            is 'The customer''s name from analytics.customers, else by the labels of the series (customer_name, or name where it is the customer''s own); empty where neither says one.';
comment on column analytics.forecasts.route_id            is 'The route of the series; empty where it has none.';
comment on column analytics.forecasts.route               is 'The route''s name from analytics.routes, else by the labels of the series (route_name, or name where it is the route''s own).';
comment on column analytics.forecasts.site_id             is 'The site of the series; empty where it has none.';
comment on column analytics.forecasts.site                is 'The site''s name from analytics.sites, else by the labels of the series (site_name, or name where it is the site''s own).';
comment on column analytics.forecasts.vehicle_id          is 'The vehicle of the series; empty where it has none.';
comment on column analytics.forecasts.driver_id           is 'The driver of the series; empty where it has none.';
comment on column analytics.forecasts.labels              is 'The labels of the series, as a JSON object.';
comment on column analytics.forecasts.model               is 'The registered model''s name now, or its last one.';
comment on column analytics.forecasts.version             is 'The number of the model version, as MLflow counts.';
comment on column analytics.forecasts.kind                is 'The kind of the model: auto, lean, naive, …';
comment on column analytics.forecasts.version_id          is 'Of analytics.model_versions.';
comment on column analytics.forecasts.champion            is 'Whether the alias champion points to this version now, whoever was champion when it forecast.';
comment on column analytics.forecasts.issued_at           is 'The forecast saw only what was recorded by this instant.';
comment on column analytics.forecasts.cutoff              is 'The newest step that the forecast could know; horizon counts from there.';
comment on column analytics.forecasts.target_at           is 'The step that is forecast, by the time at which it begins: an instant, or of steps of a day or longer 00:00 UTC of the local date.';
comment on column analytics.forecasts.day                 is 'The local date of target_at by the clock of the series; of longer steps that on which they begin. The same in every session''s time zone.';
comment on column analytics.forecasts.horizon             is 'How many steps after the cutoff; steps in which the series is closed count, too.';
comment on column analytics.forecasts.horizon_week        is 'Weeks ahead: 1 is up to 7 days after the cutoff, 2 up to 14, and so on.';
comment on column analytics.forecasts.freshest            is 'Whether the version has no forecast of the same step from a newer cutoff: what was planned with in the end.';
comment on column analytics.forecasts.y_hat               is 'The forecast, in unit.';
comment on column analytics.forecasts.lo_80               is 'Lower bound of the 80 % interval: one outcome in ten is to be below it.';
comment on column analytics.forecasts.hi_80               is 'Upper bound of the 80 % interval.';
comment on column analytics.forecasts.lo_95               is 'Lower bound of the 95 % interval.';
comment on column analytics.forecasts.hi_95               is 'Upper bound of the 95 % interval.';
comment on column analytics.forecasts.outcome             is 'What really happened, as last matched; empty until it is known.';
comment on column analytics.forecasts.error               is 'y_hat - outcome: above 0 the forecast was too high.';
comment on column analytics.forecasts.outcome_recorded_at is 'When the outcome became known.';
comment on column analytics.forecasts.matched_at          is 'As of when the outcome was written onto the forecast.';
comment on column analytics.forecasts.status              is 'matched: the outcome is known. closed: without an outcome, on a weekday or in a month in which the series never has a value (analytics.service_calendar), so that none is expected. overdue: the step began more than 28 days ago and no outcome came. waiting: an outcome may still come. Of those two analytics.model_accuracy_summary counts apart, as without_service, the ones of series of which a later value is known: nothing came on that step, as on a holiday.';

create function analytics.forecasts_between(p_from date, p_to date) returns setof analytics.forecasts
language sql stable
as $$
    select f.* from analytics.forecasts f
     where f.day >= p_from and f.day < p_to
       -- so that other months are not read: no clock is further from UTC than that
       and f.target_at >= (p_from - 1)::timestamp at time zone 'UTC' and f.target_at < (p_to + 1)::timestamp at time zone 'UTC'
$$;
comment on function analytics.forecasts_between is 'The rows of analytics.forecasts for local days from p_from until before p_to; reads their months alone.';

-- How good served forecasts were, said once for terminal, page, JSON and SQL: by the freshest forecast of every series and time

-- What judges a model judges its forecasts of series: a total would count the same outcome again.
create function analytics.forecast_accuracy(p_version_ids bigint[], p_as_of timestamptz)
returns table (version_id bigint, recent boolean, days int, forecasts bigint, wape double precision, wape_naive double precision,
               coverage_80 double precision, coverage_95 double precision, wape_beside_naive double precision)
language sql stable
as $$
    with served as (
        select v.version_id, c.cycle as steps, case when c.seconds = 0 and c.months = 0 then interval '7 days' else c.step * c.cycle end as cycle,  -- five weekdays are a week
               c.recent_days, case when c.mean_days > 2 then c.step - interval '1 day' else interval '0' end as until_end  -- a long step counts on its last day
          from analytics.model_versions v
          join analytics.granularities c on c.name = coalesce(v.lineage -> 'selection' ->> 'granularity', 'daily')
         where v.version_id = any(p_version_ids)
    ), forecasts as materialized (  -- when the naive looks back to is known before the join, so that its month is found by it
        select distinct on (p.version_id, p.series_id, p.target_at)
               p.version_id, p.series_id, p.target_at + s.until_end as day, s.recent_days, p.y_hat, p.lo_80, p.hi_80, p.lo_95, p.hi_95,
               case when p.outcome_recorded_at <= p_as_of then p.outcome end as outcome,
               p.target_at - s.cycle * ceil(p.horizon / s.steps::float8) as naive_at
          from served s join analytics.model_prediction_results p using (version_id)
         where p.issued_at <= p_as_of and p.target_at < p_as_of and p.parts is null
           and p.target_at >= p_as_of - make_interval(days => s.recent_days) - s.until_end and p.target_at < p_as_of - s.until_end
           and p.target_at >= p_as_of - (select max(make_interval(days => recent_days) + until_end) from served)  -- so that older months are not read
         order by p.version_id, p.series_id, p.target_at, p.cutoff desc
    ), judged as (
        select f.*, n.value as naive
          from forecasts f
          left join analytics.time_series_metrics n
            on n.series_id = f.series_id and n.observed_at = f.naive_at
           and n.observed_at between (select min(naive_at) from forecasts) and (select max(naive_at) from forecasts)
         where f.outcome is not null
    )
    select j.version_id, d.recent, case when d.recent then j.recent_days else 7 end, count(*),
           sum(abs(j.y_hat - j.outcome)) / nullif(sum(abs(j.outcome)), 0),
           sum(abs(j.naive - j.outcome)) / nullif(sum(abs(j.outcome)) filter (where j.naive is not null), 0),
           avg((j.outcome between j.lo_80 and j.hi_80)::int)::float8,
           avg((j.outcome between j.lo_95 and j.hi_95)::int)::float8,
           sum(abs(j.y_hat - j.outcome)) filter (where j.naive is not null) / nullif(sum(abs(j.outcome)) filter (where j.naive is not null), 0)
      from judged j join (values (false), (true)) as d (recent) on d.recent or j.day >= p_as_of - interval '7 days'
     group by j.version_id, d.recent, j.recent_days
$$;
comment on function analytics.forecast_accuracy is 'How good the freshest forecasts of versions were, as known at a time: of the last 7 days, and (recent) of the recent_days of their granularity. The freshest forecast of a series and
time is that from the newest cutoff, what was planned with in the end. wape is the sum of |error| over the sum of |outcome|, wape_naive that of the seasonal naive from the same
cutoffs where it is known, and wape_beside_naive that of the forecasts there: these two are compared.';

create view analytics.model_accuracy with (security_invoker = true) as
select m.name, v.version, a.alias, f.version_id, f.days, f.forecasts, f.wape, f.wape_naive, f.coverage_80, f.coverage_95
  from analytics.model_aliases a
  join analytics.registered_models m using (model_id)
  join analytics.model_versions v using (version_id)
 cross join lateral analytics.forecast_accuracy(array[a.version_id], now()) f
 where a.valid_to is null and v.deleted_at is null;
comment on view analytics.model_accuracy is 'How good the freshest forecasts of every version behind an alias were, of the last 7 days and of the recent days of its granularity; see analytics.forecast_accuracy.';
comment on column analytics.model_accuracy.name        is 'The registered model''s name.';
comment on column analytics.model_accuracy.version     is 'The number of the model version.';
comment on column analytics.model_accuracy.alias       is 'The alias that points to the version now.';
comment on column analytics.model_accuracy.version_id  is 'Of analytics.model_versions.';
comment on column analytics.model_accuracy.days        is 'Over how many days up to now: 7, or the recent days of the granularity.';
comment on column analytics.model_accuracy.forecasts   is 'How many forecasts with an outcome were judged.';
comment on column analytics.model_accuracy.wape        is 'Sum of |error| / sum of |outcome|: 0.1 is 10 %.';
comment on column analytics.model_accuracy.wape_naive  is 'The same of the seasonal naive from the same cutoffs, over the outcomes for which it is known.';
comment on column analytics.model_accuracy.coverage_80 is 'Share of outcomes inside the 80 % interval, from 0 to 1.';
comment on column analytics.model_accuracy.coverage_95 is 'Share of outcomes inside the 95 % interval, from 0 to 1.';

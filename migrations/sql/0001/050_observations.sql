-- Observations (the narrow fact), what was corrected of them, and which were deleted or dated anew.

create table analytics.time_series_metrics (
    series_id     bigint           not null,
    observed_at   timestamptz      not null,
    value         double precision not null check (value > '-infinity' and value < 'infinity'),
    value_lower   double precision,
    value_upper   double precision,
    quality_score real             check (quality_score between 0 and 1),
    is_anomaly    boolean          not null default false,
    anomaly_score real,
    recorded_at   timestamptz      not null default now(),
    tenant_id     int              not null default 1,
    primary key (series_id, observed_at)
) partition by range (observed_at);
create index time_series_metrics_brin     on analytics.time_series_metrics using brin (observed_at);
create index time_series_metrics_recorded on analytics.time_series_metrics using brin (recorded_at);
create index time_series_metrics_anomaly  on analytics.time_series_metrics (series_id, observed_at) where is_anomaly;
comment on table analytics.time_series_metrics is 'One observation. A daily value carries 00:00 UTC of its date; recorded_at is when it became known. No foreign key to series: series ids come from one upsert and are never deleted, and a check per row would halve ingest.';
comment on column analytics.time_series_metrics.series_id     is 'Of analytics.series.';
comment on column analytics.time_series_metrics.observed_at   is 'When the step begins: an instant, or of steps of a day or longer 00:00 UTC of the local date.';
comment on column analytics.time_series_metrics.value         is 'The value as it stands now, in the unit of the metric type.';
comment on column analytics.time_series_metrics.value_lower   is 'Lower bound of what was measured, where the source gave one.';
comment on column analytics.time_series_metrics.value_upper   is 'Upper bound of what was measured, where the source gave one.';
comment on column analytics.time_series_metrics.quality_score is 'From 0 (a dead sensor: not used) to 1; empty where it was not judged.';
comment on column analytics.time_series_metrics.is_anomaly    is 'Whether anomaly_score is beyond the limit of the metric type.';
comment on column analytics.time_series_metrics.anomaly_score is 'Robust standard deviations from what was expected; empty where it could not be told.';
comment on column analytics.time_series_metrics.recorded_at   is 'When the value became known (instant).';
comment on column analytics.time_series_metrics.tenant_id     is 'The tenant of the series: a copy, so that a policy needs no join; 1 where there is one only.';

-- Corrections live in monthly partitions like the observations they correct, so that both age together.
create table analytics.time_series_revisions (
    series_id     bigint           not null,
    observed_at   timestamptz      not null,
    value         double precision not null,
    value_lower   double precision,
    value_upper   double precision,
    recorded_at   timestamptz      not null,
    superseded_at timestamptz      not null,
    tenant_id     int              not null default 1,
    primary key (series_id, observed_at, superseded_at),
    check (recorded_at <= superseded_at)
) partition by range (observed_at);
comment on table analytics.time_series_revisions is 'The old value of every corrected observation: what was known from recorded_at until superseded_at.';
comment on column analytics.time_series_revisions.series_id     is 'Of analytics.series.';
comment on column analytics.time_series_revisions.observed_at   is 'When the step begins, as in analytics.time_series_metrics.';
comment on column analytics.time_series_revisions.value         is 'The old value, in the unit of the metric type.';
comment on column analytics.time_series_revisions.value_lower   is 'Its lower bound, where the source gave one.';
comment on column analytics.time_series_revisions.value_upper   is 'Its upper bound, where the source gave one.';
comment on column analytics.time_series_revisions.recorded_at   is 'From when on this was what was known (instant).';
comment on column analytics.time_series_revisions.superseded_at is 'Until when: then another value took its place.';
comment on column analytics.time_series_revisions.tenant_id     is 'The tenant of the series: a copy, so that a policy needs no join; 1 where there is one only.';

insert into analytics.partition_policy (parent, follows) values
    ('analytics.time_series_metrics', null),
    ('analytics.time_series_revisions', 'analytics.time_series_metrics');

create table analytics.unscored (
    mark_id   bigint generated always as identity primary key,
    series_id bigint      not null,
    since     timestamptz not null
);
comment on table analytics.unscored is 'Series that were written by SQL: from `since` on their quality and anomaly scores are still to be made, by mlops db maintain.';
comment on column analytics.unscored.mark_id   is 'Numbers the marks.';
comment on column analytics.unscored.series_id is 'Of analytics.series.';
comment on column analytics.unscored.since     is 'The first step to be scored.';

create table analytics.dirty_days (
    mark_id   bigint generated always as identity primary key,
    series_id bigint      not null,
    first_day date        not null,
    last_day  date        not null,
    marked_at timestamptz not null default clock_timestamp(),
    check (first_day <= last_day)
);
comment on table analytics.dirty_days is 'Spans of days whose rollup must be made anew. Whoever writes observations writes the mark in the same transaction; analytics.refresh_predictive_views() takes it away.';
comment on column analytics.dirty_days.mark_id   is 'Numbers the marks.';
comment on column analytics.dirty_days.series_id is 'The series whose days changed, of analytics.series.';
comment on column analytics.dirty_days.first_day is 'The first local day to be made anew; -infinity means from the beginning.';
comment on column analytics.dirty_days.last_day  is 'The last local day to be made anew; infinity means to the end.';
comment on column analytics.dirty_days.marked_at is 'When the mark was made.';

-- Observations that should not be there are deleted, and those that count as known at a wrong time are dated anew. Both are
-- decisions: one row for each series says what was done, by whom and why, and stays for ever.
create sequence analytics.edit_id;
comment on sequence analytics.edit_id is 'Gives analytics.observation_edits.edit_id.';
create table analytics.observation_edits (
    edit_id        bigint      not null,
    series_id      bigint      not null,
    series         jsonb       not null check (jsonb_typeof(series) = 'object'),
    action         text        not null check (action in ('deleted', 'redated')),
    known_at       text        check (known_at in ('observed', 'now')),
    first_at       timestamptz not null,
    last_at        timestamptz not null,
    observations   bigint      not null check (observations >= 0),
    corrections    bigint      not null check (corrections >= 0),
    outcomes       bigint      not null check (outcomes >= 0),
    recorded_first timestamptz,
    recorded_last  timestamptz,
    decided_by     text        not null check (decided_by <> ''),
    reason         text        not null check (reason <> ''),
    decided_at     timestamptz not null default clock_timestamp(),
    tenant_id      int         not null default 1,
    primary key (edit_id, series_id),
    check (first_at <= last_at),
    check ((action = 'redated') = (known_at is not null))
);
create index observation_edits_by_series on analytics.observation_edits (series_id, first_at);
comment on table analytics.observation_edits is 'One row for each series whose observations were deleted or dated anew: what was done by one decision, edit_id, by whom and why.';
comment on column analytics.observation_edits.edit_id        is 'The decision; the same of all its series.';
comment on column analytics.observation_edits.series_id      is 'Of analytics.series; the series may be gone.';
comment on column analytics.observation_edits.series         is 'What the series was: it may be gone.';
comment on column analytics.observation_edits.action         is 'deleted, or redated: they count as known at another time.';
comment on column analytics.observation_edits.known_at       is 'Of redated ones: observed (they count as known since their period ended) or now.';
comment on column analytics.observation_edits.first_at       is 'The earliest step that was changed.';
comment on column analytics.observation_edits.last_at        is 'The newest step that was changed.';
comment on column analytics.observation_edits.observations   is 'How many observations were deleted or got another recorded_at, between first_at and last_at.';
comment on column analytics.observation_edits.corrections    is 'How many old values of corrected observations were deleted or got another recorded_at.';
comment on column analytics.observation_edits.outcomes       is 'How many forecasts lost their outcome, or had its outcome_recorded_at changed.';
comment on column analytics.observation_edits.recorded_first is 'Between these two times they counted as known before.';
comment on column analytics.observation_edits.recorded_last  is 'Until then they counted as known before; see recorded_first.';
comment on column analytics.observation_edits.decided_by     is 'Who decided.';
comment on column analytics.observation_edits.reason         is 'Why, in the words of whoever decided.';
comment on column analytics.observation_edits.decided_at     is 'When it was done (instant).';
comment on column analytics.observation_edits.tenant_id      is 'The tenant of the series: a copy, so that a policy needs no join; 1 where there is one only.';

-- Facts are locked, then changed and counted -------------------------------------------------------------------------------
-- PostgreSQL 18 forgets rows: after a statement has waited for another writer, run-time pruning of partitions may hide the rest
-- of what it was to lock, update or delete (docs/reports/postgresql-18-rows-lost-after-waiting.md). So facts are locked first,
-- again until nothing is left over, and changed in a statement of its own that never waits; and every change is counted.

create function analytics.expect_rows(p_changed bigint, p_meant bigint, p_table regclass) returns bigint
language plpgsql stable set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on set quote_all_identifiers = off
as $$
begin
    if p_changed is distinct from p_meant then
        raise exception '% of % rows of % could be changed', p_changed, p_meant, p_table
              using errcode = 'serialization_failure', hint = 'another writer was at work; nothing of this statement was stored, try again';
    end if;
    return p_changed;
end $$;
comment on function analytics.expect_rows is 'The number of rows that were changed; a serialization failure, which asks for another attempt, when it is not that of the rows that were meant.';
revoke execute on function analytics.expect_rows from public;

create function analytics.lock_observations(p_series_ids bigint[], p_times timestamptz[]) returns bigint
language plpgsql set search_path = pg_catalog, pg_temp
set enable_seqscan = off set enable_bitmapscan = off set enable_mergejoin = off set enable_hashjoin = off  -- each by its key
set standard_conforming_strings = on set quote_all_identifiers = off
as $$
declare
    meant    constant bigint := coalesce(cardinality(p_series_ids), 0);
    first_at constant timestamptz := (select min(t) from unnest(p_times) t);
    last_at  constant timestamptz := (select max(t) from unnest(p_times) t);
    locked   bigint := 0;
begin
    -- Each attempt waits only for what the one before left over. In key order, so that two writers wait for each other and never lock up.
    for attempt in 1 .. 20 loop
        exit when locked = meant;
        select count(*) into locked
          from (select from unnest(p_series_ids, p_times) k (series_id, observed_at)
                  join analytics.time_series_metrics m on m.series_id = k.series_id and m.observed_at = k.observed_at
                 where m.observed_at >= first_at and m.observed_at <= last_at
                 order by m.series_id, m.observed_at
                   for update of m) held;
    end loop;
    return analytics.expect_rows(locked, meant, 'analytics.time_series_metrics');
end $$;
comment on function analytics.lock_observations is 'Locks the observations of these keys, each given once, until the end of the transaction; how many. Fails, to be tried again, when one of them is not there any more.';
revoke execute on function analytics.lock_observations from public;

-- Reading ------------------------------------------------------------------------------------------------------------------

-- A view of observations says which local day they are of, so that no session's time zone moves one.
create view analytics.time_series as
select s.tenant_id, s.metric_type, t.unit, s.granularity, s.series_id, s.customer_id, s.route_id, s.vehicle_id, s.driver_id, s.site_id,
       m.observed_at, m.value, m.value_lower, m.value_upper, m.quality_score, m.is_anomaly, m.anomaly_score, m.recorded_at,
       s.labels, s.service_area, s.seasonality, s.external_factors, s.time_zone, s.level, analytics.local_day(m.observed_at, g.dated, s.time_zone) as day,
       -- a subquery, so that who may read the view needs no other right
       (select greatest((select max(a.upper_bound) from analytics.archived_months a
                          where a.parent = 'analytics.time_series_metrics'::regclass),
                        (select max(l.lost_until) from analytics.partition_log l
                          where l.parent = 'analytics.time_series_metrics' and l.action = 'dropped'))) as complete_from
  from analytics.time_series_metrics m
  join analytics.series s using (series_id)
  join analytics.metric_types t on t.name = s.metric_type
  left join analytics.granularities g on g.name = s.granularity;
comment on view analytics.time_series is 'One row per observation under wide names: what, of whom, when, on which local day, and the value as it stands now. A route''s customers and the route itself each have rows, which measure the same: choose a level before you add up, see analytics.series_parts. A condition on observed_at lets PostgreSQL read the months that it names alone. It is complete from analytics.complete_from(''analytics.time_series_metrics'') on: months that are archived are not in it. For sums over longer times ask aggregate_values() or daily_metrics_summary, which keep archived months.';
comment on column analytics.time_series.tenant_id        is 'The tenant; 1 where there is one only.';
comment on column analytics.time_series.metric_type      is 'What is measured, of analytics.metric_types.';
comment on column analytics.time_series.unit             is 'The unit of value and its bounds.';
comment on column analytics.time_series.granularity      is 'How long a step is, of analytics.granularities.';
comment on column analytics.time_series.series_id        is 'Of analytics.series.';
comment on column analytics.time_series.customer_id      is 'The customer of the series; empty where it has none.';
comment on column analytics.time_series.route_id         is 'The route of the series; empty where it has none.';
comment on column analytics.time_series.vehicle_id       is 'The vehicle of the series; empty where it has none.';
comment on column analytics.time_series.driver_id        is 'The driver of the series; empty where it has none.';
comment on column analytics.time_series.site_id          is 'The site of the series; empty where it has none.';
comment on column analytics.time_series.observed_at      is 'When the step begins: an instant, or of steps of a day or longer 00:00 UTC of the local date. See day.';
comment on column analytics.time_series.value            is 'The value as it stands now.';
comment on column analytics.time_series.value_lower      is 'Lower bound of what was measured, where the source gave one.';
comment on column analytics.time_series.value_upper      is 'Upper bound of what was measured, where the source gave one.';
comment on column analytics.time_series.quality_score    is 'From 0 (a dead sensor: not used) to 1; empty where it was not judged.';
comment on column analytics.time_series.is_anomaly       is 'Whether anomaly_score is beyond the limit of the metric type.';
comment on column analytics.time_series.anomaly_score    is 'Robust standard deviations from what was expected; empty where it could not be told.';
comment on column analytics.time_series.recorded_at      is 'When the value became known (instant).';
comment on column analytics.time_series.labels           is 'The labels of the series, as a JSON object.';
comment on column analytics.time_series.service_area     is 'Where the series is collected, x longitude and y latitude.';
comment on column analytics.time_series.seasonality      is 'Seasons that were found in the series, as JSON.';
comment on column analytics.time_series.external_factors is 'What influences the series from outside, as a JSON object; ask with @>, as in external_factors @> ''{"near": "school"}''.';
comment on column analytics.time_series.time_zone        is 'IANA name of the clock of the series.';
comment on column analytics.time_series.level            is 'Whose figures these are: customer, driver, vehicle, route, site or company; see analytics.series_parts before you add up.';
comment on column analytics.time_series.day              is 'The local date of observed_at by the clock of the series; the same in every session''s time zone.';
comment on column analytics.time_series.complete_from    is 'From when on these are all observations that were ever stored: earlier ones are in archive files. Null when all are here.';

-- Two reads for psql; both are inlined into the statement that calls them, so that it prunes and uses indexes
create function analytics.latest_values(p_series_ids bigint[])
returns table (series_id bigint, observed_at timestamptz, value double precision, quality_score real, is_anomaly boolean, recorded_at timestamptz)
language sql stable
as $$
    select w.series_id, m.observed_at, m.value, m.quality_score, m.is_anomaly, m.recorded_at
      from unnest(p_series_ids) w (series_id)
     cross join lateral (
           select o.observed_at, o.value, o.quality_score, o.is_anomaly, o.recorded_at from analytics.time_series_metrics o
            where o.series_id = w.series_id order by o.observed_at desc limit 1) m
$$;
comment on function analytics.latest_values is 'The newest observation of each series that has one.';

-- Observations as they were known at a time: the rule of the library's history, for SQL.
create function analytics.values_as_of(
    p_as_of       timestamptz,
    p_metric_type text        default null,
    p_series_ids  bigint[]    default null,
    p_from        timestamptz default null,
    p_to          timestamptz default null
) returns table (series_id bigint, observed_at timestamptz, day date, value double precision, quality_score real, recorded_at timestamptz)
language sql stable
as $$
    select k.series_id, k.observed_at, analytics.local_day(k.observed_at, g.dated, s.time_zone), k.value,
           case when l.since is null or k.observed_at < l.since then k.quality_score end, k.recorded_at
      from (select m.series_id, m.observed_at, m.value, m.quality_score, m.recorded_at
              from analytics.time_series_metrics m
             where m.recorded_at <= p_as_of
               and m.observed_at >= coalesce(p_from, '-infinity') and m.observed_at < coalesce(p_to, 'infinity')
               and (p_series_ids is null or m.series_id = any (p_series_ids))
            union all
            select r.series_id, r.observed_at, r.value, null, r.recorded_at
              from analytics.time_series_revisions r
             where r.recorded_at <= p_as_of and r.superseded_at > p_as_of
               and r.observed_at >= coalesce(p_from, '-infinity') and r.observed_at < coalesce(p_to, 'infinity')
               and (p_series_ids is null or r.series_id = any (p_series_ids))) k
      join analytics.series s on s.series_id = k.series_id
      join analytics.granularities g on g.name = s.granularity
      left join (  -- from its first later observation on, a series' scores may rest on what was not known
            select n.series_id, min(n.observed_at) as since
              from analytics.time_series_metrics n
             where n.recorded_at > p_as_of and n.observed_at < coalesce(p_to, 'infinity')
               and (p_series_ids is null or n.series_id = any (p_series_ids))
               and (p_metric_type is null or n.series_id in (select w.series_id from analytics.series w where w.metric_type = p_metric_type))
             group by n.series_id) l on l.series_id = k.series_id
     where p_metric_type is null or s.metric_type = p_metric_type
$$;
comment on function analytics.values_as_of is 'Observations as they were known at p_as_of: of a value that was corrected since the one that stood then, and nothing that was recorded later. What mlops trains and judges with. A route''s customers and the route itself measure the same: join analytics.series and choose a level before you add up. Chosen by metric type, series, and time from p_from until before p_to; what is left out is not asked for.
series_id, observed_at (UTC instant, or 00:00 UTC of the local date of a day or longer), day (local date), value, quality_score (0 to 1; empty where it may rest on what was recorded later, as of old values of corrected observations), recorded_at (when it became known).
It reads the months from p_from to p_to alone when quality_score is not asked for, else also those before. It is complete from analytics.complete_from(''analytics.time_series_metrics'') on: months that are archived are not in it: see analytics.archived_months.';

-- Files: which were read, what was refused of them and why, and how far one came that was interrupted.

create table analytics.ingest_batches (
    batch_id    bigint generated always as identity primary key,
    source      text   not null,
    adapter     text   not null,
    sha256      text   not null,
    status      text   not null check (status in ('stored', 'partly stored', 'refused')),
    read        bigint not null,
    inserted    bigint not null,
    corrected   bigint not null,
    unchanged   bigint not null,
    refused     bigint not null,
    started_at  timestamptz not null,
    finished_at timestamptz not null default now(),
    stored_from timestamptz,
    series_ids  bigint[],
    backdated   bigint check (backdated >= 0)
);
create index ingest_batches_stored on analytics.ingest_batches using gist (tstzrange(least(coalesce(stored_from, started_at), finished_at), finished_at, '[]'));
create index ingest_batches_replayed on analytics.ingest_batches using gin (series_ids) where backdated > 0;
comment on table analytics.ingest_batches is 'One row per ingested file: what it held and what became of it.';
comment on column analytics.ingest_batches.batch_id    is 'Numbers the files in the order in which they were done.';
comment on column analytics.ingest_batches.source      is 'The file''s path, as it was given.';
comment on column analytics.ingest_batches.adapter     is 'By which format the file was read.';
comment on column analytics.ingest_batches.sha256      is 'SHA-256 of the file.';
comment on column analytics.ingest_batches.status      is 'stored; partly stored (refused rows were left out); refused (nothing of it is stored).';
comment on column analytics.ingest_batches.read        is 'Rows in the file.';
comment on column analytics.ingest_batches.inserted    is 'Rows that are new.';
comment on column analytics.ingest_batches.corrected   is 'Rows that took the place of another value, which is in analytics.time_series_revisions.';
comment on column analytics.ingest_batches.unchanged   is 'Rows that were stored already, with the same values.';
comment on column analytics.ingest_batches.refused     is 'Rows that could not be taken; see analytics.refused_rows by sha256.';
comment on column analytics.ingest_batches.started_at  is 'When reading began, by the clock of the machine that ran mlops.';
comment on column analytics.ingest_batches.finished_at is 'When the file was done, by the clock of the server.';
comment on column analytics.ingest_batches.stored_from is 'What the file brought was stored from then on, by the clock of the server; of one that was interrupted, from its first attempt on. Empty where nothing was.';
comment on column analytics.ingest_batches.series_ids  is 'The series of the file, in order; empty where nothing was stored.';
comment on column analytics.ingest_batches.backdated   is 'How many of the new rows count as known since their period ended.';

create table analytics.ingest_progress (
    sha256          text        not null,
    part_sha256     text        not null,
    inserted        bigint      not null check (inserted >= 0),
    corrected       bigint      not null check (corrected >= 0),
    stored_at       timestamptz not null default clock_timestamp(),
    backdated       bigint      not null default 0 check (backdated >= 0),
    backdated_until timestamptz,
    late            bigint      not null default 0 check (late >= 0),
    stored_from     timestamptz,
    primary key (sha256, part_sha256)
);
comment on table analytics.ingest_progress is 'Which batches of a file are stored, while the file is not stored whole: an interrupted ingest goes on from here. Empty otherwise.';
comment on column analytics.ingest_progress.sha256          is 'SHA-256 of the file.';
comment on column analytics.ingest_progress.part_sha256     is 'SHA-256 of the batch''s rows, by which it is recognised.';
comment on column analytics.ingest_progress.inserted        is 'Rows of the batch that are new.';
comment on column analytics.ingest_progress.corrected       is 'Rows of the batch that took the place of another value.';
comment on column analytics.ingest_progress.stored_at       is 'When the batch was stored.';
comment on column analytics.ingest_progress.backdated       is 'New rows that count as known since their period ended, the last of them at backdated_until.';
comment on column analytics.ingest_progress.backdated_until is 'The end of the newest step of those (instant).';
comment on column analytics.ingest_progress.late            is 'New rows that became known now, although their period ended long ago.';
comment on column analytics.ingest_progress.stored_from     is 'When the attempt that stored this batch began to store, by the clock of the server.';

create table analytics.refused_rows (
    sha256     text   not null,
    line       bigint not null,
    reason     text   not null,
    column_name text,
    found      text,
    raw        jsonb  not null,
    source     text   not null,
    refused_at timestamptz not null default now(),
    primary key (sha256, line, reason)
);
comment on table analytics.refused_rows is 'Rows of a file that could not be taken, each with its reason. The same file sent again adds nothing.';
comment on column analytics.refused_rows.sha256      is 'SHA-256 of the file.';
comment on column analytics.refused_rows.line        is 'The line of the file, from 1; 0 of the file as a whole.';
comment on column analytics.refused_rows.reason      is 'Why it was refused, in a sentence.';
comment on column analytics.refused_rows.column_name is 'The column that could not be taken; empty when the row as a whole could not.';
comment on column analytics.refused_rows.found       is 'What stood there.';
comment on column analytics.refused_rows.raw         is 'The row as it was read, as JSON.';
comment on column analytics.refused_rows.source      is 'The file''s path, as it was given.';
comment on column analytics.refused_rows.refused_at  is 'When it was refused (instant).';

-- What the first file of a series brings is its history: it became known when its periods ended. Which file is the first one is
-- remembered until that is stored whole, so that one which was interrupted and is sent again is stored as if nothing had happened.
create table analytics.first_ingests (
    series_id  bigint      primary key references analytics.series on delete cascade,
    sha256     text        not null,
    started_at timestamptz not null default clock_timestamp()
);
create index first_ingests_file on analytics.first_ingests (sha256);
comment on table analytics.first_ingests is 'Series whose first file is being stored, or was interrupted while it was, and the digest of that file. Empty otherwise.';
comment on column analytics.first_ingests.series_id  is 'Of analytics.series.';
comment on column analytics.first_ingests.sha256     is 'SHA-256 of the file.';
comment on column analytics.first_ingests.started_at is 'When the file was first begun.';

-- When every observation became known, how late that was, how often it was corrected, and which file it came with ----------

create function analytics.batch_of(p_series_id bigint, p_recorded_at timestamptz, p_ended_at timestamptz) returns bigint
language sql stable
as $$
    select case when count(*) = 1 then min(batch_id) end
      from (select b.batch_id
              from analytics.ingest_batches b
             where tstzrange(least(coalesce(b.stored_from, b.started_at), b.finished_at), b.finished_at, '[]') @> p_recorded_at
               and (b.series_ids is null or p_series_id = any (b.series_ids)) and b.inserted + b.corrected > 0
            union  -- what counts as known since its period ended came with the file that brought that as history
            select b.batch_id
              from analytics.ingest_batches b
             where p_recorded_at = p_ended_at and b.backdated > 0 and b.series_ids @> array[p_series_id]) b
$$;
comment on function analytics.batch_of is 'The ingested file (batch_id) with which a series learnt something: that was being stored at p_recorded_at, or, where this is p_ended_at, the end of the step, the one that brought it as history. Empty when none did (it came by SQL, or its file is not stored whole yet), and when several may have.';

create view analytics.arrivals with (security_invoker = true) as
select s.tenant_id, m.series_id, analytics.series_name(s) as series, s.metric_type, s.granularity, s.level, s.customer_id, s.route_id, s.site_id,
       m.observed_at, d.day, m.value, f.value as first_value,
       d.ended_at, k.first_known_at, k.late_by, k.late_by > t.late_after as late,
       f.corrections, case when f.corrections > 0 then m.recorded_at end as corrected_at,
       b.batch_id, b.source,
       case when f.corrections > 0 then analytics.batch_of(m.series_id, m.recorded_at, d.ended_at) end as corrected_batch_id
  from analytics.time_series_metrics m
  join analytics.series s using (series_id)
  join analytics.granularities g on g.name = s.granularity
  join analytics.metric_types t on t.name = s.metric_type
 cross join lateral (select analytics.local_day(m.observed_at, g.dated, s.time_zone) as day,
                            analytics.step_end(m.observed_at, g.seconds, g.months) as ended_at) d
 cross join lateral (select count(*)::int as corrections, min(r.recorded_at) as recorded_at,
                            coalesce((array_agg(r.value order by r.superseded_at))[1], m.value) as value
                       from analytics.time_series_revisions r
                      where r.series_id = m.series_id and r.observed_at = m.observed_at) f
 cross join lateral (select coalesce(f.recorded_at, m.recorded_at) as first_known_at,
                            greatest(coalesce(f.recorded_at, m.recorded_at) - d.ended_at, interval '0') as late_by) k
  left join analytics.ingest_batches b on b.batch_id = analytics.batch_of(m.series_id, k.first_known_at, d.ended_at);
comment on view analytics.arrivals is 'One row per observation: when it first became known, how long after the end of its step, how often it was corrected since, and which file brought it. Ask with a range of observed_at, so that only its months are read. It is complete from analytics.complete_from(''analytics.time_series_metrics'') on: months that are archived, and observations that were deleted, are not in it.';
comment on column analytics.arrivals.tenant_id          is 'The tenant of the series; 1 where there is one only.';
comment on column analytics.arrivals.series_id          is 'Of analytics.series.';
comment on column analytics.arrivals.series             is 'The name of the series, as mlops series list prints it: its places and labels.';
comment on column analytics.arrivals.metric_type        is 'What is measured, of analytics.metric_types.';
comment on column analytics.arrivals.granularity        is 'How long a step of the series is: hourly, daily, weekly, …';
comment on column analytics.arrivals.level              is 'Whose observation it is: customer, driver, vehicle, route, site or company.';
comment on column analytics.arrivals.customer_id        is 'The customer of the series; empty where it has none.';
comment on column analytics.arrivals.route_id           is 'The route of the series; empty where it has none.';
comment on column analytics.arrivals.site_id            is 'The site of the series; empty where it has none.';
comment on column analytics.arrivals.observed_at        is 'When the step begins: an instant, or of steps of a day or longer 00:00 UTC of the local date.';
comment on column analytics.arrivals.day                is 'The local date of observed_at by the clock of the series. The same in every session''s time zone.';
comment on column analytics.arrivals.value              is 'The value as it stands now, in the unit of the metric type.';
comment on column analytics.arrivals.first_value        is 'The value as it was first recorded, in the unit of the metric type.';
comment on column analytics.arrivals.ended_at           is 'When the step was over; of steps of a day or longer by UTC.';
comment on column analytics.arrivals.first_known_at     is 'When a first value became known: as recorded, or the end of the step for what a series'' first file brought as its history.';
comment on column analytics.arrivals.late_by            is 'How long after the end of the step it first became known; never below 0.';
comment on column analytics.arrivals.late               is 'Whether late_by is above late_after of the metric type (7 days, unless somebody set another).';
comment on column analytics.arrivals.corrections        is 'How often another value, bounds or score took the place of what was recorded.';
comment on column analytics.arrivals.corrected_at       is 'When it was last corrected; empty where it never was.';
comment on column analytics.arrivals.batch_id           is 'The ingested file that first brought it, of analytics.ingest_batches; empty where it came by SQL, where its file is not stored whole yet, and where several files may have.';
comment on column analytics.arrivals.source             is 'The name of that file.';
comment on column analytics.arrivals.corrected_batch_id is 'The ingested file that last corrected it; empty as batch_id is, and where nothing was corrected.';

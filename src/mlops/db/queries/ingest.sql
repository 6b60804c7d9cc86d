-- From a file to stored observations: what is refused, what is new, what is corrected.

-- name: refused_table
-- makes room for refused rows on their way; gone at the end of the transaction
create temporary table arriving_refused (line bigint, column_name text, found text, reason text, raw jsonb) on commit drop

-- name: ingest_refuse_file
-- keeps the reason why a whole file could not be read; the same file sent again adds nothing
insert into analytics.refused_rows (sha256, line, reason, raw, source)
values (:sha256, :line, :reason, '{}', :source)
on conflict (sha256, line, reason) do nothing

-- name: ingest_keep_refused
-- keeps the refused rows of the file with their reasons; the same file sent again adds nothing
insert into analytics.refused_rows (sha256, line, reason, column_name, found, raw, source)
select cast(:sha256 as text), line, reason, column_name, found, raw, cast(:source as text) from arriving_refused order by line, reason
on conflict (sha256, line, reason) do nothing

-- name: ingest_done_parts
-- the batches of an interrupted file that were stored
select part_sha256, inserted, corrected, backdated, backdated_until at time zone 'UTC' as backdated_until, late
  from analytics.ingest_progress where sha256 = :sha256

-- name: first_ingest_claim
-- makes a file the first one of those series of it that have no observations, in this database or in the archive; another one that had
-- begun and stored nothing is not it any more
insert into analytics.first_ingests (series_id, sha256)
select s.series_id, :sha256
  from analytics.series s
 where s.series_id = any(cast(:series_ids as bigint[]))
   and (select m.observed_at from analytics.time_series_metrics m where m.series_id = s.series_id limit 1) is null
   and not exists (select from analytics.archived_months a
                    where a.parent = 'analytics.time_series_metrics'::regclass and a.archived_at > s.created_at)
 order by s.series_id
on conflict (series_id) do update set sha256 = excluded.sha256 where first_ingests.sha256 <> excluded.sha256

-- name: first_ingests
-- the series whose first file this one is: nothing else has come in meanwhile, and what it brought itself is whole
select f.series_id from analytics.first_ingests f
 where f.sha256 = :sha256
   and (select m.observed_at from analytics.time_series_metrics m where m.series_id = f.series_id limit 1) is null

-- name: prepare_arriving
-- makes room for rows that are merged into what is stored
select analytics.prepare_arriving()

-- name: merge_arriving
-- stores the rows of pg_temp.arriving, corrects what they correct and marks what is to be summarised; how many of each
select inserted, corrected from analytics.merge_arriving()

-- name: hold_series
-- keeps some series and all months until the end of the transaction; the tenant of each, null for one that is not there
select analytics.hold_series(cast(:series_ids as bigint[]))

-- name: mark_spans_dirty
-- marks the days of some series, from the first to the last time of each, to be summarised anew
select analytics.mark_spans_dirty(cast(:series_ids as bigint[]), cast(:first_at as timestamptz[]), cast(:last_at as timestamptz[]))

-- name: scores_table
-- makes room for scores that may have changed; gone at the end of the transaction
drop table if exists pg_temp.scores;
create temporary table scores (
    series_id bigint, observed_at timestamptz, quality_score real, is_anomaly boolean, anomaly_score real
) on commit drop

-- name: ingest_around_tables
-- makes room for the spans of the series of a batch; gone at the end of the transaction
create temporary table spans (series_id bigint, first_at timestamptz, last_at timestamptz, look_back int) on commit drop

-- name: ingest_around
-- what is stored of the series of a batch, as one array per series and column: everything in its span, and what is looked back on
-- before and after it; bounds only where there are any
select s.series_id, o.*
  from spans s
 cross join lateral (
       select array_send(array_agg(observed_at)) as observed_at, array_send(array_agg(value)) as value,
              case when count(value_lower) > 0 then array_send(array_agg(coalesce(value_lower, 'NaN'))) end as value_lower,
              case when count(value_upper) > 0 then array_send(array_agg(coalesce(value_upper, 'NaN'))) end as value_upper,
              array_send(array_agg(coalesce(quality_score, 'NaN'))) as quality_score
         from ((select observed_at, value, value_lower, value_upper, quality_score from analytics.time_series_metrics
                 where series_id = s.series_id and observed_at < s.first_at order by observed_at desc limit s.look_back)
               union all
               (select observed_at, value, value_lower, value_upper, quality_score from analytics.time_series_metrics
                 where series_id = s.series_id and observed_at between s.first_at and s.last_at)
               union all
               (select observed_at, value, value_lower, value_upper, quality_score from analytics.time_series_metrics
                 where series_id = s.series_id and observed_at > s.last_at order by observed_at limit s.look_back)) m
       having count(*) > 0) o

-- name: ingest_part_done
-- remembers that a batch of a file is stored, in the transaction that stores it
insert into analytics.ingest_progress (sha256, part_sha256, inserted, corrected, backdated, backdated_until, late, stored_from)
values (:sha256, :part_sha256, :inserted, :corrected, :backdated, cast(:backdated_until as timestamp) at time zone 'UTC', :late, :stored_from)
on conflict (sha256, part_sha256) do update
   set inserted = excluded.inserted, corrected = excluded.corrected,
       backdated = excluded.backdated, backdated_until = excluded.backdated_until, late = excluded.late,
       stored_from = least(ingest_progress.stored_from, excluded.stored_from)

-- name: ingest_batch
-- records what became of a file; of one that was interrupted, what is stored since its first attempt
insert into analytics.ingest_batches
       (source, adapter, sha256, status, read, inserted, corrected, unchanged, refused, backdated, series_ids, stored_from, started_at, finished_at)
values (:source, :adapter, :sha256, :status, :read, :inserted, :corrected, :unchanged, :refused, :backdated, cast(:series_ids as bigint[]),
        least(cast(:stored_from as timestamptz), (select min(stored_from) from analytics.ingest_progress where sha256 = :sha256)),
        :started_at, clock_timestamp())
returning batch_id

-- name: ingest_forget_parts
-- a file that is whole needs no memory of its batches
delete from analytics.ingest_progress where sha256 = :sha256

-- name: first_ingest_done
-- a file that is whole is nobody's first one any more: what follows comes later
delete from analytics.first_ingests where sha256 = :sha256

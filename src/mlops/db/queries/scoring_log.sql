-- Requests that were answered, on their way into the database.

-- name: limit_scoring_transaction
-- lets a batch of the log give up rather than wait for long
select set_config('lock_timeout', '5s', true), set_config('statement_timeout', '60s', true)

-- name: create_staged_requests
-- creates the session's temporary table for COPY, emptied at each commit
create temporary table if not exists staged_requests on commit delete rows as
select request_id, caller, requested_at, version_id, alias, content_type, inputs_sha256, inputs, outputs, rows, milliseconds, memory_mb, business_context
  from analytics.scoring_requests with no data

-- name: store_requests
-- stores requests, the first of each id and caller: how many are new; and how many a worker has handled with them (null: not its own)
-- (the index of a month sees to it within the month; in its first week the days before it are looked at, too)
with stored as (
    insert into analytics.scoring_requests
           (request_id, caller, requested_at, version_id, alias, content_type, inputs_sha256, inputs, outputs, rows, milliseconds, memory_mb, business_context)
    select request_id, caller, requested_at, version_id, alias, content_type, inputs_sha256, inputs, outputs, rows, milliseconds, memory_mb, business_context
      from staged_requests s
     where s.requested_at >= date_trunc('month', s.requested_at, 'UTC') + interval '7 days'
        or not exists (
           select from analytics.scoring_requests o
            where o.request_id = s.request_id and o.caller = s.caller
              and o.requested_at >= s.requested_at - interval '7 days' and o.requested_at < date_trunc('month', s.requested_at, 'UTC')
           offset 0)  -- looked up row by row: a join would read whole months
     order by request_id, caller, requested_at  -- so that two workers with the same ids wait for each other in one order
        on conflict do nothing
    returning 1
), counted as (
    insert into analytics.scoring_workers (worker, handled)
    select cast(:worker as uuid), cast(:handled as bigint) where cast(:handled as bigint) is not null
        on conflict (worker) do update set handled = excluded.handled, stored_at = clock_timestamp()
)
select count(*) from stored

-- name: handled_by_worker
-- how many records a worker that died had handled; null when it had stored nothing
select handled from analytics.scoring_workers where worker = cast(:worker as uuid)

-- name: settle_worker
-- forgets a worker that is gone, and records how many of its requests are missing
with gone as (
    delete from analytics.scoring_workers where worker = cast(:worker as uuid)
)
insert into analytics.scoring_gaps (worker, reason, number, began_at, ended_at, requests)
select cast(:worker as uuid), 'died', 0, :began_at, :ended_at, cast(:requests as bigint) where cast(:requests as bigint) > 0
    on conflict (worker, reason, number) do nothing

-- name: record_scoring_gap
-- records how many requests of a worker are missing since the gap of that number began; a gap that grows is recorded again
insert into analytics.scoring_gaps (worker, reason, number, began_at, ended_at, requests)
values (cast(:worker as uuid), :reason, :number, :began_at, :ended_at, :requests)
    on conflict (worker, reason, number) do update set ended_at = excluded.ended_at, requests = excluded.requests, recorded_at = clock_timestamp()

-- name: series_of_version
-- the series that a version was trained on, with their names; none where they are not of this database
select s.series_id, analytics.series_name(s) as name
  from analytics.model_versions v
 cross join lateral jsonb_array_elements(case jsonb_typeof(v.lineage -> 'series') when 'array' then v.lineage -> 'series' else '[]' end) as trained (series_id)
  join analytics.series s on s.series_id = cast(trained.series_id #>> '{}' as bigint)
 where v.version_id = :version_id and v.lineage ? 'selection'
 order by s.series_id

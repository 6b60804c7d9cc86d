-- Every request that a server of models answered, what people said of the answers, and what really happened.

create table analytics.scoring_requests (
    request_id       text             not null check (request_id <> '' and length(request_id) <= 200),
    caller           text             not null default '',
    requested_at     timestamptz      not null,
    tenant_id        int              not null default 1,
    version_id       bigint           not null,
    alias            text             not null default '',
    content_type     text             not null default '',
    inputs_sha256    bytea            not null check (length(inputs_sha256) = 32),
    inputs           json,
    outputs          json             not null,
    rows             int              not null check (rows >= 0),
    milliseconds     real             not null,
    memory_mb        real             not null,
    business_context jsonb,
    primary key (requested_at, request_id, caller)
) partition by range (requested_at);
create index scoring_requests_version on analytics.scoring_requests (version_id, requested_at);
comment on table analytics.scoring_requests is 'One row per answered request, with everything that was asked and answered in it; analytics.scored_rows has a row per scored row. The first of a request id and caller stands; what comes again in another month more than a week later is another request.';
comment on column analytics.scoring_requests.request_id       is 'What the caller calls its request, else a UUID of version 7.';
comment on column analytics.scoring_requests.caller           is 'The key with which it was asked, by its name; empty where none is needed.';
comment on column analytics.scoring_requests.requested_at     is 'When the request was there whole (instant).';
comment on column analytics.scoring_requests.tenant_id        is 'The tenant that asked; 1 where there is one only.';
comment on column analytics.scoring_requests.version_id       is 'The version that answered, of analytics.model_versions.';
comment on column analytics.scoring_requests.alias            is 'The alias that was asked for; empty where a version was.';
comment on column analytics.scoring_requests.content_type     is 'Of the request, without its parameters: application/json, text/csv, application/vnd.apache.parquet.';
comment on column analytics.scoring_requests.inputs_sha256    is 'SHA-256 of the request''s body as it was sent.';
comment on column analytics.scoring_requests.inputs           is 'The body as it was sent, without fields that are declared personal; CSV, and JSON that PostgreSQL does not take, is one JSON string, Parquet one in base64. Empty where the policy keeps none.';
comment on column analytics.scoring_requests.outputs          is 'The body of the answer, without fields that are declared personal.';
comment on column analytics.scoring_requests.rows             is 'How many rows were scored.';
comment on column analytics.scoring_requests.milliseconds     is 'From the last byte of the request to the answer.';
comment on column analytics.scoring_requests.memory_mb        is 'Resident memory of the process that answered, in MiB.';
comment on column analytics.scoring_requests.business_context is 'What the caller said about its request, as a JSON object; empty where it said nothing.';

insert into analytics.partition_policy (parent, max_ahead_months, premake_months) values ('analytics.scoring_requests', 2, 2);

-- A unique index of a partitioned table has to hold the time by which it is partitioned, and a request that is sent again has
-- another: so each month has an index of its own, which insert … on conflict do nothing heeds like any other.
create function analytics.key_scoring_month() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
set standard_conforming_strings = on set quote_all_identifiers = off
as $$
begin
    execute format('create unique index if not exists %I on %s (request_id, caller)',
                   analytics.short_name(new.partition::regclass) || '_key', new.partition::regclass);
    return null;
end $$;
comment on function analytics.key_scoring_month is 'Gives a new month of analytics.scoring_requests its key: request id and caller.';
revoke execute on function analytics.key_scoring_month from public;
create trigger key_scoring_month after insert on analytics.partition_log
    for each row when (new.action in ('made', 'restored') and new.parent = 'analytics.scoring_requests')
    execute function analytics.key_scoring_month();

create table analytics.scoring_workers (
    worker    uuid        primary key,
    handled   bigint      not null check (handled >= 0),
    stored_at timestamptz not null default clock_timestamp(),
    tenant_id int         not null default 1
) with (fillfactor = 50);  -- a row that changes at every batch changes in its page
comment on table analytics.scoring_workers is 'One row per running server process that has stored requests; what it has handled changes in the transaction that stores them, so that what a killed one has lost can be counted.';
comment on column analytics.scoring_workers.worker    is 'The process; each run has a new id.';
comment on column analytics.scoring_workers.handled   is 'How many records it had taken into memory are in the log, or were refused.';
comment on column analytics.scoring_workers.stored_at is 'When it stored its newest batch.';
comment on column analytics.scoring_workers.tenant_id is 'The tenant of the server; 1 where there is one only.';

create table analytics.scoring_gaps (
    worker      uuid        not null,
    reason      text        not null check (reason in ('full', 'died', 'refused')),
    number      int         not null,
    began_at    timestamptz not null,
    ended_at    timestamptz not null check (ended_at >= began_at),
    requests    bigint      not null check (requests > 0),
    recorded_at timestamptz not null default clock_timestamp(),
    tenant_id   int         not null default 1,
    primary key (worker, reason, number)
);
comment on table analytics.scoring_gaps is 'Requests that were answered and are not in analytics.scoring_requests: how many, when and why. Nothing that was asked to be durable is ever among them.';
comment on column analytics.scoring_gaps.worker      is 'The process that answered them; each run has a new id.';
comment on column analytics.scoring_gaps.reason      is 'full: no room in memory, as the database and the disk took nothing. died: the process was killed while they waited to be stored. refused: the database takes no such row; the server''s log says why.';
comment on column analytics.scoring_gaps.number      is 'Numbers the gaps of a worker with one reason.';
comment on column analytics.scoring_gaps.began_at    is 'About when the first of them was answered; not after that.';
comment on column analytics.scoring_gaps.ended_at    is 'About when the last of them was answered.';
comment on column analytics.scoring_gaps.requests    is 'How many requests; of a process that died also those whose answer may not have reached the caller.';
comment on column analytics.scoring_gaps.recorded_at is 'When this was noticed and stored.';
comment on column analytics.scoring_gaps.tenant_id   is 'The tenant of the server; 1 where there is one only.';

-- What came of it ------------------------------------------------------------------------------------------------------------

create table analytics.scoring_outcomes (
    request_id   text             not null,
    caller       text             not null default '',
    requested_at timestamptz      not null,
    row_number   int              not null default 1 check (row_number >= 1),
    recorded_at  timestamptz      not null,
    value        double precision not null,
    stored_at    timestamptz      not null default clock_timestamp(),
    tenant_id    int              not null default 1,
    primary key (requested_at, request_id, caller, row_number, recorded_at)
) partition by range (requested_at);
comment on table analytics.scoring_outcomes is 'What really happened, of one scored row of analytics.scoring_requests; one that is recorded later corrects the one before, which stays. Forecasts of series have their outcomes in analytics.model_prediction_results.';
comment on column analytics.scoring_outcomes.request_id   is 'Of analytics.scoring_requests.';
comment on column analytics.scoring_outcomes.caller       is 'Of the request.';
comment on column analytics.scoring_outcomes.requested_at is 'Of the request: so both are of one month.';
comment on column analytics.scoring_outcomes.row_number   is 'Which scored row of the request, from 1.';
comment on column analytics.scoring_outcomes.recorded_at  is 'When it became known (instant).';
comment on column analytics.scoring_outcomes.value        is 'What really happened, in the unit of the prediction.';
comment on column analytics.scoring_outcomes.stored_at    is 'When the row was stored.';
comment on column analytics.scoring_outcomes.tenant_id    is 'The tenant of the request; 1 where there is one only.';

insert into analytics.partition_policy (parent, max_ahead_months, premake_months, follows)
values ('analytics.scoring_outcomes', 2, 2, 'analytics.scoring_requests');

create table analytics.scoring_feedback (
    feedback_id   bigint      generated always as identity primary key,
    feedback_key  text        not null unique check (feedback_key ~ '^[0-9a-f]{64}$'),
    request_id    text,
    caller        text,
    row_number    int         check (row_number >= 1),
    prediction_id bigint,
    by_whom       text        not null check (by_whom <> ''),
    given_at      timestamptz,
    score         double precision,
    comment       text,
    details       jsonb,
    recorded_at   timestamptz not null default clock_timestamp(),
    tenant_id     int         not null default 1,
    check (num_nonnulls(request_id, prediction_id) = 1),
    check (num_nonnulls(score, comment, details) > 0)
);
create index scoring_feedback_request on analytics.scoring_feedback (request_id, caller);
create index scoring_feedback_prediction on analytics.scoring_feedback (prediction_id) where prediction_id is not null;
create trigger keep_record before update or delete or truncate on analytics.scoring_feedback
   for each statement execute function analytics.keep_record();
comment on table analytics.scoring_feedback is 'What people said of an answer or of a stored forecast; append-only: who thinks otherwise later says so in another row.';
comment on column analytics.scoring_feedback.feedback_id   is 'Numbers the rows.';
comment on column analytics.scoring_feedback.feedback_key  is 'SHA-256 of what was said, by whom and of what: the same again is the same row.';
comment on column analytics.scoring_feedback.request_id    is 'Of analytics.scoring_requests; empty where a stored forecast is meant.';
comment on column analytics.scoring_feedback.caller        is 'Of the request.';
comment on column analytics.scoring_feedback.row_number    is 'Which scored row of the request, from 1; empty where the whole answer is meant.';
comment on column analytics.scoring_feedback.prediction_id is 'Of analytics.model_prediction_results; empty where a request is meant.';
comment on column analytics.scoring_feedback.by_whom       is 'Who said it.';
comment on column analytics.scoring_feedback.given_at      is 'When it was said (instant); empty where nobody noted it.';
comment on column analytics.scoring_feedback.score         is 'A mark, on the scale of whoever asks for them.';
comment on column analytics.scoring_feedback.comment       is 'What was said in words.';
comment on column analytics.scoring_feedback.details       is 'Anything else, as JSON.';
comment on column analytics.scoring_feedback.recorded_at   is 'When the row was stored.';
comment on column analytics.scoring_feedback.tenant_id     is 'The tenant of the request; 1 where there is one only.';

-- Reading ------------------------------------------------------------------------------------------------------------------

create function analytics.json_list(p_value json) returns json
language sql immutable set search_path = pg_catalog, pg_temp set standard_conforming_strings = on set quote_all_identifiers = off
as $$
    select case when p_value is null then '[]' when json_typeof(p_value) = 'array' then p_value else json_build_array(p_value) end
$$;
comment on function analytics.json_list is 'A JSON array as it is, anything else as an array of it alone, nothing as an empty one.';

create function analytics.scored_input(p_inputs json, p_row int, p_rows int) returns json
language sql immutable set search_path = pg_catalog, pg_temp set standard_conforming_strings = on set quote_all_identifiers = off
as $$
    select case
        when p_inputs is null or json_typeof(p_inputs) <> 'object' then null
        when p_inputs -> 'dataframe_split' is not null then
            (select json_object_agg(coalesce(c.name, ''), d.value)
               from json_array_elements_text(analytics.json_list(p_inputs -> 'dataframe_split' -> 'columns')) with ordinality c (name, place)
               join json_array_elements(analytics.json_list(p_inputs -> 'dataframe_split' -> 'data' -> (p_row - 1))) with ordinality d (value, place) using (place)
              where json_array_length(analytics.json_list(p_inputs -> 'dataframe_split' -> 'data')) = p_rows)
        when json_typeof(coalesce(p_inputs -> 'dataframe_records', p_inputs -> 'instances', p_inputs -> 'inputs')) = 'array' then
            case when json_array_length(coalesce(p_inputs -> 'dataframe_records', p_inputs -> 'instances', p_inputs -> 'inputs')) = p_rows
                 then coalesce(p_inputs -> 'dataframe_records', p_inputs -> 'instances', p_inputs -> 'inputs') -> (p_row - 1) end
        when json_typeof(p_inputs -> 'inputs') = 'object' then
            (select json_object_agg(e.key, case json_typeof(e.value) when 'array' then e.value -> (p_row - 1) else e.value end)
               from json_each(p_inputs -> 'inputs') e
             having bool_and(json_array_length(analytics.json_list(e.value)) = p_rows))
    end
$$;
comment on function analytics.scored_input is 'One row of what was asked, as a JSON object by columns, from any of the forms of MLflow''s protocol; null where the request does not have as many rows as were scored, as of forecasts.';

create view analytics.scored_rows with (security_invoker = true) as
select r.tenant_id, r.request_id, r.caller, r.requested_at, p.place::int as row_number, r.version_id, v.name as model, v.version, r.alias,
       analytics.scored_input(r.inputs, p.place::int, r.rows) as inputs, p.value as output,
       case json_typeof(p.value) when 'number' then (p.value #>> '{}')::double precision
                                 when 'object' then case json_typeof(p.value -> 'y_hat') when 'number' then (p.value ->> 'y_hat')::double precision end
       end as prediction,
       o.value as outcome, o.recorded_at as outcome_recorded_at, r.milliseconds, r.business_context
  from analytics.scoring_requests r
  left join analytics.model_versions v using (version_id)
 cross join lateral json_array_elements(analytics.json_list(coalesce(r.outputs -> 'predictions', r.outputs))) with ordinality p (value, place)
  left join lateral (
       select o.value, o.recorded_at from analytics.scoring_outcomes o
        where o.requested_at = r.requested_at and o.request_id = r.request_id and o.caller = r.caller and o.row_number = p.place
        order by o.recorded_at desc limit 1) o on true;
comment on view analytics.scored_rows is 'One row per scored row of a request: what was asked, what was answered, and what really happened. Of one model and time it is read by version_id and requested_at. Forecasts of series are in analytics.forecasts, too, with their outcomes.';
comment on column analytics.scored_rows.tenant_id           is 'The tenant that asked.';
comment on column analytics.scored_rows.request_id          is 'Of analytics.scoring_requests.';
comment on column analytics.scored_rows.caller              is 'The key with which it was asked, by its name.';
comment on column analytics.scored_rows.requested_at        is 'When the request was there whole (instant).';
comment on column analytics.scored_rows.row_number          is 'Which row of the answer, from 1.';
comment on column analytics.scored_rows.version_id          is 'The version that answered, of analytics.model_versions.';
comment on column analytics.scored_rows.model               is 'The registered model''s name; empty while the mirror does not know the version.';
comment on column analytics.scored_rows.version             is 'The number of the model version.';
comment on column analytics.scored_rows.alias               is 'The alias that was asked for; empty where a version was.';
comment on column analytics.scored_rows.inputs              is 'The row that was asked, as a JSON object by columns; empty where it was not kept, was no JSON, or where rows of answer and request don''t correspond.';
comment on column analytics.scored_rows.output              is 'The row of the answer, as JSON.';
comment on column analytics.scored_rows.prediction          is 'The answer as a number: itself, or its y_hat; empty where it is neither.';
comment on column analytics.scored_rows.outcome             is 'What really happened, as last recorded; empty until it is known.';
comment on column analytics.scored_rows.outcome_recorded_at is 'When the outcome became known.';
comment on column analytics.scored_rows.milliseconds        is 'Of the whole request.';
comment on column analytics.scored_rows.business_context    is 'What the caller said about its request.';

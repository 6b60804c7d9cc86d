-- What came of answered requests: outcomes and feedback.

-- name: create_staged_scoring_outcomes
-- creates a temporary table for COPY, dropped at commit
create temporary table staged_scoring_outcomes (
    place int, request_id text, prediction_id bigint, caller text, row_number int, value double precision, recorded_at timestamptz
) on commit drop

-- name: refused_scoring_outcomes
-- removes the outcomes that belong to no row of the log and to no forecast; which they are, and why
with looked as (
    select s.place, s.request_id, s.prediction_id, s.row_number, s.value,
           (select count(*) from analytics.scoring_requests r where r.request_id = s.request_id and r.caller = coalesce(s.caller, r.caller)) as requests,
           (select max(r.rows) from analytics.scoring_requests r where r.request_id = s.request_id and r.caller = coalesce(s.caller, r.caller)) as rows,
           exists (select from analytics.model_prediction_results p where p.prediction_id = s.prediction_id) as forecast
      from staged_scoring_outcomes s
), judged as (
    select place, case when num_nonnulls(request_id, prediction_id) <> 1 then 'give request_id or prediction_id, and one of them alone'
                       when value is null or value = 'NaN' or abs(value) = 'Infinity' then 'the value is no finite number'
                       when prediction_id is not null then case when not forecast then format('there is no forecast %s', prediction_id) end
                       when requests = 0 then format('request %s is not in the log', request_id)
                       when requests > 1 then format('%s requests are called %s; name the caller', requests, request_id)
                       when row_number not between 1 and rows then format('request %s has %s rows', request_id, rows) end as reason
      from looked
), gone as (
    delete from staged_scoring_outcomes s using judged j where j.place = s.place and j.reason is not null
)
select place, reason from judged where reason is not null order by place

-- name: months_of_scoring_outcomes
-- the months of the requests of the staged outcomes
select distinct cast(date_trunc('month', r.requested_at, 'UTC') at time zone 'UTC' as date)
  from staged_scoring_outcomes s join analytics.scoring_requests r on r.request_id = s.request_id and r.caller = coalesce(s.caller, r.caller)

-- name: store_scoring_outcomes
-- stores outcomes of scored rows that are new
insert into analytics.scoring_outcomes (request_id, caller, requested_at, row_number, recorded_at, value, tenant_id)
select r.request_id, r.caller, r.requested_at, s.row_number, s.recorded_at, s.value, r.tenant_id
  from staged_scoring_outcomes s join analytics.scoring_requests r on r.request_id = s.request_id and r.caller = coalesce(s.caller, r.caller)
 order by r.requested_at, r.request_id, r.caller, s.row_number, s.recorded_at, s.place
    on conflict do nothing

-- name: store_forecast_outcomes
-- writes outcomes onto stored forecasts that have none, or one that was recorded before
update analytics.model_prediction_results p
   set outcome = s.value, outcome_recorded_at = s.recorded_at, matched_at = now()
  from (select distinct on (prediction_id) prediction_id, value, recorded_at from staged_scoring_outcomes
         where prediction_id is not null order by prediction_id, recorded_at desc, place) s
 where p.prediction_id = s.prediction_id and (p.outcome is null or p.outcome_recorded_at < s.recorded_at)

-- name: create_staged_scoring_feedback
-- creates a temporary table for COPY, dropped at commit
create temporary table staged_scoring_feedback (
    place int, feedback_key text, request_id text, prediction_id bigint, caller text, row_number int, by_whom text, given_at timestamptz,
    score double precision, comment text, details jsonb
) on commit drop

-- name: refused_scoring_feedback
-- removes feedback on no request of the log and on no forecast; which it is, and why
with looked as (
    select s.*,
           (select count(*) from analytics.scoring_requests r where r.request_id = s.request_id and r.caller = coalesce(s.caller, r.caller)) as requests,
           (select max(r.rows) from analytics.scoring_requests r where r.request_id = s.request_id and r.caller = coalesce(s.caller, r.caller)) as rows,
           exists (select from analytics.model_prediction_results p where p.prediction_id = s.prediction_id) as forecast
      from staged_scoring_feedback s
), judged as (
    select place, case when num_nonnulls(request_id, prediction_id) <> 1 then 'give request_id or prediction_id, and one of them alone'
                       when num_nonnulls(score, comment, details) = 0 then 'give a score, a comment or details'
                       when by_whom = '' then 'say who says it (by_whom)'
                       when prediction_id is not null then case when not forecast then format('there is no forecast %s', prediction_id) end
                       when requests = 0 then format('request %s is not in the log', request_id)
                       when requests > 1 then format('%s requests are called %s; name the caller', requests, request_id)
                       when row_number not between 1 and rows then format('request %s has %s rows', request_id, rows) end as reason
      from looked
), gone as (
    delete from staged_scoring_feedback s using judged j where j.place = s.place and j.reason is not null
)
select place, reason from judged where reason is not null order by place

-- name: store_scoring_feedback
-- stores feedback that is new
insert into analytics.scoring_feedback (feedback_key, request_id, caller, row_number, prediction_id, by_whom, given_at, score, comment, details)
select s.feedback_key, s.request_id, r.caller, s.row_number, s.prediction_id, s.by_whom, s.given_at, s.score, s.comment, s.details
  from staged_scoring_feedback s
  left join analytics.scoring_requests r on r.request_id = s.request_id and r.caller = coalesce(s.caller, r.caller)
 order by s.feedback_key
    on conflict (feedback_key) do nothing

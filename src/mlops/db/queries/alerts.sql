-- Alerts, and what channels are told of them.

-- name: update_registry_alerts
-- opens, updates and resolves alerts about aliases and altered versions, from the mirror and from what was seen of model files;
-- returns those that were opened or resolved
with pointed as (
    select a.model_id, a.alias, a.version_id, a.valid_from, m.name, v.version, v.run_id, v.run_state, v.lineage_state,
           v.lineage_read_at, v.lineage_problem, format('models:/%s@%s', m.name, a.alias) as subject,
           case when a.alias = 'champion' then 'critical' else 'warning' end as severity
      from analytics.model_aliases a
      join analytics.registered_models m using (model_id)
      join analytics.model_versions v using (version_id)
     where a.valid_to is null
), changed as (
    select version_id, name, version, concat_ws('; ', verified_problem, altered) as problem
      from analytics.model_versions
     where deleted_at is null and (verified_problem is not null or altered is not null)
), files as (
    select version_id, there, place from jsonb_to_recordset(cast(:document as jsonb) -> 'files') as f (version_id bigint, there boolean, place text)
), found as (
    select 'run_gone' as kind, subject, severity, version_id,
           format('it is version %s, whose run %s is %s', version, run_id, case run_state when 'deleted' then 'deleted' else 'gone for good' end) as message,
           case run_state when 'deleted' then format('mlflow runs restore --run-id %s, before MLflow''s gc; or promote another version', run_id)
                else 'promote a version whose run is there; what the run had measured is kept in analytics.model_versions' end as todo,
           jsonb_build_object('version', version, 'run_id', run_id, 'run_state', run_state) as details
      from pointed where run_state in ('deleted', 'gone')
    union all
    select 'files_gone', subject, severity, version_id,
           format('it is version %s, whose model files are not at %s', version, place),
           format('bring the files back from a backup, or promote another version: mlops registry rollback %s', name),
           jsonb_build_object('version', version, 'place', place)
      from pointed join files using (version_id) where not there
    union all
    select 'model_changed', coalesce(p.subject, format('models:/%s/%s', c.name, c.version)), coalesce(p.severity, 'warning'), version_id,
           format('version %s is not what was recorded of it: %s', c.version, c.problem),
           format('find out who wrote that; bring it back as it was, or another version: mlops registry rollback %s', c.name),
           jsonb_build_object('version', c.version, 'problem', c.problem)
      from changed c left join pointed p using (version_id)
    union all
    select 'lineage_incomplete', subject, severity, version_id,
           format('it is version %s, and what that was made of is not known: %s', version, coalesce(lineage_problem, 'no lineage')),
           case when lineage_state = 'claimed' then format('if it is none of yours, find out who registered it, and mlops registry rollback %s', name)
                else 'train a version with mlops train, which keeps its lineage in the model, and promote that' end,
           jsonb_build_object('version', version, 'problem', lineage_problem)
      from pointed where lineage_state <> 'complete' and lineage_read_at is not null  -- else it waits to be read
       and not analytics.gate_does_not_apply(version_id, 'lineage')
    union all
    select 'alias_unrecorded', subject, 'warning', version_id,
           format('it is version %s since %s, and no decision is on record', version, to_char(valid_from at time zone 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')),
           format('if it is meant, put it on record: mlops registry promote models:/%s/%s --reason ...; if not: mlops registry rollback %s', name, version, name),
           jsonb_build_object('version', version, 'since', valid_from)
      from pointed p
     where alias = 'champion'
       and not exists (select from analytics.alias_decisions d
                        where d.model_id = p.model_id and d.alias = p.alias and d.valid_to is null and d.promotion_id is not null)
), opened as (  -- one that stays as it is is written once an hour, so that seen_at tells that somebody still looks
    insert into analytics.alerts as a (kind, subject, severity, version_id, message, todo, details)
    select kind, subject, severity, version_id, message, todo, details from found
        on conflict (kind, subject) where resolved_at is null do update
       set severity = excluded.severity, version_id = excluded.version_id, message = excluded.message, todo = excluded.todo,
           details = excluded.details, seen_at = clock_timestamp()
     where (a.severity, a.version_id, a.message, a.todo, a.details)
           is distinct from (excluded.severity, excluded.version_id, excluded.message, excluded.todo, excluded.details)
        or a.seen_at < now() - interval '1 hour'
    returning xmax = 0 as opened, alert_id, kind, subject, severity, message, todo
), resolved as (
    update analytics.alerts a set resolved_at = clock_timestamp()
     where a.resolved_at is null and a.kind in ('run_gone', 'files_gone', 'model_changed', 'lineage_incomplete', 'alias_unrecorded')
       and not exists (select from found f where f.kind = a.kind and f.subject = a.subject)
       and not (a.kind = 'files_gone'  -- nobody looked
                and exists (select from pointed p where p.subject = a.subject and p.version_id = a.version_id)
                and not exists (select from files f where f.version_id = a.version_id))
        or a.resolved_at is null and a.kind = 'version_not_loaded' and a.version_id is not null  -- servers open it, and may be gone
       and not exists (select from pointed p where p.subject = a.subject and p.version_id = a.version_id)
    returning false as opened, alert_id, kind, subject, severity, message, todo
)
select 'opened' as change, alert_id, kind, subject, severity, message, todo from opened where opened
union all
select 'resolved', alert_id, kind, subject, severity, message, todo from resolved
 order by change, subject, kind

-- name: open_alert
-- opens an alert about a version by its name, number and time of creation, or brings the one that is open up to date
insert into analytics.alerts as a (kind, subject, severity, version_id, message, todo, details)
select :kind, :subject, :severity, (select version_id from analytics.model_versions where (name, version, created_at) = (:name, :version, :created_at)),
       :message, :todo, jsonb_build_object('version', cast(:version as int))
    on conflict (kind, subject) where resolved_at is null do update
   set severity = excluded.severity, version_id = excluded.version_id, message = excluded.message, todo = excluded.todo,
       details = excluded.details, seen_at = clock_timestamp()
 where (a.severity, a.version_id, a.message) is distinct from (excluded.severity, excluded.version_id, excluded.message)
    or a.seen_at < now() - interval '1 hour'

-- name: resolve_alert
-- resolves the alert of a kind about a subject, if one is open
update analytics.alerts set resolved_at = clock_timestamp() where (kind, subject) = (:kind, :subject) and resolved_at is null

-- name: update_monitoring_alerts
-- opens, updates and resolves the alerts of monitoring as known at :as_of, by the policy in :document; returns those opened or resolved
with found as materialized (
    select * from analytics.monitoring_alerts(:as_of, cast(:document as jsonb))
), opened as (  -- one that stays as it is is written once an hour, so that seen_at tells that somebody still looks
    insert into analytics.alerts as a (kind, subject, severity, version_id, message, todo, details, owner)
    select kind, subject, severity, version_id, message, todo, details, owner from found
        on conflict (kind, subject) where resolved_at is null do update
       set severity = excluded.severity, version_id = excluded.version_id, message = excluded.message, todo = excluded.todo,
           details = excluded.details, owner = excluded.owner, seen_at = clock_timestamp()
     where (a.severity, a.version_id, a.message, a.todo, a.details, a.owner)
           is distinct from (excluded.severity, excluded.version_id, excluded.message, excluded.todo, excluded.details, excluded.owner)
        or a.seen_at < now() - interval '1 hour'
    returning xmax = 0 as opened, alert_id, kind, subject, severity, message, todo
), resolved as (
    update analytics.alerts a set resolved_at = clock_timestamp()
     where a.resolved_at is null
       and analytics.is_of_monitoring(a.kind)
       and not exists (select from found f where f.kind = a.kind and f.subject = a.subject)
    returning alert_id, kind, subject, severity, message, todo
)
select 'opened' as change, alert_id, kind, subject, severity, message, todo from opened where opened
union all
select 'resolved', alert_id, kind, subject, severity, message, todo from resolved
 order by change, subject, kind

-- name: open_alerts
-- the alerts that were open at :as_of by the policy in :document, the critical ones first, then the oldest
select alert_id, model, kind, subject, severity, message, todo, owner, since, opened_at
  from analytics.open_alerts(:as_of, cast(:document as jsonb))
 order by severity = 'critical' desc, since, kind, subject

-- name: list_alerts
-- alerts as known at :as_of by the policy in :document, open and critical ones first; with `everything` resolved ones, too
select alert_id, kind, subject, model, severity, message, todo, owner, details, since, opened_at, seen_at, resolved_at
  from (select *, null::timestamptz as resolved_at from analytics.open_alerts(:as_of, cast(:document as jsonb))
        union all
        select alert_id, kind, subject, coalesce(substring(subject from '^models:/(.*)@[^@]*$'), substring(subject from '^models:/(.*)/[0-9]+$')),
               severity, version_id, owner, message, todo, details, opened_at, opened_at, seen_at, resolved_at
          from analytics.alerts where resolved_at is not null and resolved_at <= :as_of and :everything) a
 order by resolved_at desc nulls first, severity = 'critical' desc, since desc, kind, subject

-- name: queue_alert_deliveries
-- queues a message for each channel in :document about every alert that is newly open, due for a reminder, or resolved; how many
with channels as (
    select * from jsonb_to_recordset(cast(:document as jsonb) -> 'channels') as c (channel text, severity text, repeat_days float8)
), dropped as (  -- nobody needs to be reminded of what is over
    delete from analytics.alert_deliveries where delivery_id in (
           select d.delivery_id from analytics.alert_deliveries d join analytics.alerts a using (alert_id)
            where d.sent_at is null and d.event = 'reminder' and a.resolved_at is not null for update of d skip locked)
), told as (
    select alert_id, channel, max(number) as number, max(sent_at) as sent_at, bool_or(sent_at is null) as waiting
      from analytics.alert_deliveries group by alert_id, channel
), wanted as (
    select a.alert_id, c.channel, 'opened' as event, 0 as number
      from analytics.alerts a join channels c on a.severity = 'critical' or c.severity = 'warning'
     where a.resolved_at is null
    union all
    select a.alert_id, c.channel, 'reminder', t.number + 1
      from analytics.alerts a join told t using (alert_id) join channels c using (channel)
     where a.resolved_at is null and not t.waiting and t.sent_at < clock_timestamp() - c.repeat_days * interval '1 day'
    union all  -- unless the only message came so late that it said so already
    select a.alert_id, c.channel, 'resolved', 0
      from analytics.alerts a join analytics.alert_deliveries d using (alert_id) join channels c using (channel)
     where a.resolved_at is not null and d.event = 'opened' and not d.said_resolved
)
insert into analytics.alert_deliveries (alert_id, channel, event, number)
select alert_id, channel, event, number from wanted
    on conflict (alert_id, channel, event, number) do nothing

-- name: claim_alert_delivery
-- one due message of a channel, locked until the transaction ends; a message that another worker holds is skipped
select d.delivery_id, d.alert_id, d.channel, d.event, d.number, a.kind, a.subject, a.severity, a.message, a.todo,
       coalesce(a.owner, o.owners ->> v.name, o.owners ->> 'default') as owner, a.opened_at, a.resolved_at
  from analytics.alert_deliveries d
  join analytics.alerts a using (alert_id)
  left join analytics.model_versions v using (version_id)
 cross join (select cast(:document as jsonb) -> 'owners' as owners) o
 where d.channel = :channel and d.sent_at is null and d.due_at <= clock_timestamp()
   and (d.event <> 'reminder' or a.resolved_at is null)
 order by d.delivery_id
 limit 1 for update of d skip locked

-- name: set_alert_delivered
-- marks a message as delivered
update analytics.alert_deliveries
   set sent_at = clock_timestamp(), said_resolved = :said_resolved, attempts = attempts + 1, problem = :problem
 where delivery_id = :delivery_id

-- name: set_alert_not_delivered
-- records a failed delivery and schedules the next attempt after 1, 2, 4 … minutes, at most 6 hours
update analytics.alert_deliveries
   set attempts = attempts + 1, problem = :problem,
       due_at = clock_timestamp() + least(interval '6 hours', interval '1 minute' * 2 ^ least(attempts, 20))
 where delivery_id = :delivery_id

-- name: waiting_alert_deliveries
-- by channel, how many messages wait, and why the last attempt failed
select d.channel, count(*) as waiting,
       (array_agg(d.problem order by d.due_at desc) filter (where d.problem is not null))[1] as problem
  from analytics.alert_deliveries d where d.sent_at is null group by d.channel order by d.channel

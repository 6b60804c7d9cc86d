-- opens, keeps and resolves the alerts of monitoring as known at :as_of, by the policy in :document; those that were opened or resolved
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

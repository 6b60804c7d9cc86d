-- alerts, the open and critical ones first; with `everything` also those that are resolved
select a.alert_id, a.kind, a.subject, a.severity, a.message, a.todo, a.owner, a.details, a.opened_at, a.seen_at, a.resolved_at
  from analytics.alerts a
 where a.resolved_at is null or :everything
 order by a.resolved_at desc nulls first, a.severity = 'critical' desc, a.opened_at desc, a.alert_id

-- one message that is due on a channel, locked until the transaction ends: nobody else gets it meanwhile, and nobody waits
select d.delivery_id, d.alert_id, d.channel, d.event, d.number, d.attempts, a.kind, a.subject, a.severity, a.message, a.todo,
       coalesce(a.owner, o.owners ->> v.name, o.owners ->> 'default') as owner, a.opened_at, a.resolved_at
  from analytics.alert_deliveries d
  join analytics.alerts a using (alert_id)
  left join analytics.model_versions v using (version_id)
 cross join (select cast(:document as jsonb) -> 'owners' as owners) o
 where d.channel = :channel and d.sent_at is null and d.due_at <= clock_timestamp()
   and (d.event <> 'reminder' or a.resolved_at is null)
 order by d.delivery_id
 limit 1 for update of d skip locked

-- the alerts that were open at :as_of, the critical ones first, then the oldest
select alert_id, coalesce(substring(subject from '^models:/(.*)@[^@]*$'), substring(subject from '^models:/(.*)/[0-9]+$')) as model, kind, subject, severity, message, todo, owner, opened_at
  from analytics.alerts
 where opened_at <= :as_of and coalesce(resolved_at > :as_of, true)
 order by severity = 'critical' desc, opened_at, alert_id

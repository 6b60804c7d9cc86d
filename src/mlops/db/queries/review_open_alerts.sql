-- the alerts that were open at :as_of by the policy in :document, the critical ones first, then the oldest
select alert_id, model, kind, subject, severity, message, todo, owner, since, opened_at
  from analytics.open_alerts(:as_of, cast(:document as jsonb))
 order by severity = 'critical' desc, since, kind, subject

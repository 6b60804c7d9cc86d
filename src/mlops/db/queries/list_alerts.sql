-- alerts as known at :as_of by the policy in :document, the open and critical ones first; with `everything` also those that are resolved
select alert_id, kind, subject, model, severity, message, todo, owner, details, since, opened_at, seen_at, resolved_at
  from (select *, null::timestamptz as resolved_at from analytics.open_alerts(:as_of, cast(:document as jsonb))
        union all
        select alert_id, kind, subject, coalesce(substring(subject from '^models:/(.*)@[^@]*$'), substring(subject from '^models:/(.*)/[0-9]+$')),
               severity, version_id, owner, message, todo, details, opened_at, opened_at, seen_at, resolved_at
          from analytics.alerts where resolved_at is not null and resolved_at <= :as_of and :everything) a
 order by resolved_at desc nulls first, severity = 'critical' desc, since desc, kind, subject

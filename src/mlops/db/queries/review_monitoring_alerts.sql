-- opens, keeps and resolves the alerts of monitoring as known at :as_of, by the limits in :document; those that were opened or resolved
with limits as (
    select * from jsonb_to_record(cast(:document as jsonb) -> 'limits') as l (health_below float8, overdue_days float8, labels_missing_days float8)
), champions as materialized (
    select h.*, case when g.seconds = 0 and g.months = 0 then interval '3 days' else h.step end as longest_step,  -- a weekend may follow a weekday
           v.lineage -> 'recipe' ->> 'owner' as owner, format('models:/%s@%s', h.name, h.alias) as subject
      from analytics.health_of_models(cast(:as_of as timestamptz)) h join analytics.model_versions v using (version_id)
      left join analytics.granularities g on g.name = v.lineage -> 'selection' ->> 'granularity'
     where h.alias = 'champion'
), found as (
    -- somebody has to decide; what is accepted, put off or dismissed is decided
    select r.action || '_recommended' as kind, c.subject, case r.action when 'rollback' then 'critical' else 'warning' end as severity, c.version_id, c.owner,
           format('version %s: %s', c.version, coalesce(r.reasons[1], r.action)) as message,
           case when r.action = 'investigate_data' then 'look at the data before anything is retrained: mlops review'
                when r.expires_at < :as_of then 'mlops monitor run, for the proof is too old to act on'
                else format('mlops retrain %s%s; the reasons are in mlops review', r.recommendation_id,
                            case r.action when 'rollback' then ', which rolls back' when 'fallback' then ', which lets the seasonal naive serve' end) end as todo,
           jsonb_build_object('version', c.version, 'recommendation_id', r.recommendation_id, 'reasons', to_jsonb(r.reasons)) as details
      from champions c
     cross join lateral (select * from analytics.retraining_recommendations r
                          where r.version_id = c.version_id and r.as_of <= :as_of order by r.as_of desc, r.recommendation_id desc limit 1) r
     where r.status = 'open' and r.action in ('retrain', 'rollback', 'fallback', 'investigate_data')
    union all
    select 'health_low', c.subject, case when c.score < l.health_below / 2 then 'critical' else 'warning' end, c.version_id, c.owner,
           format('version %s: health is %s of 100; %s: %s', c.version, c.score, c.weakest, c.weakest_words),
           'mlops monitor health shows all parts', jsonb_build_object('version', c.version, 'score', c.score, 'weakest', c.weakest)
      from champions c, limits l where c.score < l.health_below
    union all
    select 'monitor_overdue', c.subject, 'warning', c.version_id, c.owner,
           case when c.checked_at is null then format('version %s was never checked, and has forecasts whose outcomes are known', c.version)
                else format('version %s was last checked %s days ago', c.version, floor(date_part('epoch', :as_of - c.checked_at) / 86400)) end,
           'mlops monitor run, and plan it weekly', jsonb_build_object('version', c.version, 'checked_at', c.checked_at)
      from champions c, limits l
     where c.labelled > 0 and coalesce(c.checked_at, c.alias_since) < :as_of - l.overdue_days * interval '1 day'
    union all
    select 'labels_missing', c.subject, 'warning', c.version_id, c.owner,
           format('version %s: no outcome is known for the last %s days; forecasts wait since %s', c.version, l.labels_missing_days,
                  to_char(c.unlabelled_since at time zone 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')),
           'bring the observations in, and run mlops outcomes match',
           jsonb_build_object('version', c.version, 'unlabelled_since', c.unlabelled_since, 'labelled_until', c.labelled_until)
      from champions c, limits l
     where c.unlabelled_since < :as_of - l.labels_missing_days * interval '1 day'
       and coalesce(c.labelled_until < :as_of - l.labels_missing_days * interval '1 day', true)
    union all
    select 'forecasts_missing', c.subject, 'critical', c.version_id, c.owner,
           case when c.forecast_until is null then format('version %s has forecast nothing of late', c.version)
                else format('version %s has forecast nothing beyond %s', c.version, to_char(c.forecast_until at time zone 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')) end,
           format('mlops predict %s, and plan it', c.subject), jsonb_build_object('version', c.version, 'forecast_until', c.forecast_until)
      from champions c
     where coalesce(c.forecast_until, c.alias_since) < :as_of - 2 * c.longest_step
       and not analytics.gate_does_not_apply(c.version_id, 'naive')  -- such a champion serves elsewhere
), owned as (
    select f.*, coalesce(f.owner, o.owners ->> substring(f.subject from '^models:/(.*)@[^@]*$'), o.owners ->> 'default') as answers
      from found f cross join (select cast(:document as jsonb) -> 'owners' as owners) o
), opened as (  -- one that stays as it is is written once an hour, so that seen_at tells that somebody still looks
    insert into analytics.alerts as a (kind, subject, severity, version_id, message, todo, details, owner)
    select kind, subject, severity, version_id, message, todo, details, answers from owned
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
       and a.kind in ('retrain_recommended', 'rollback_recommended', 'fallback_recommended', 'investigate_data_recommended', 'health_low', 'monitor_overdue',
                      'labels_missing', 'forecasts_missing')
       and not exists (select from found f where f.kind = a.kind and f.subject = a.subject)
       and not (a.kind = 'health_low'  -- what can't be judged has not got better
                and exists (select from champions s where s.subject = a.subject and s.score is null))
    returning alert_id, kind, subject, severity, message, todo
)
select 'opened' as change, alert_id, kind, subject, severity, message, todo from opened where opened
union all
select 'resolved', alert_id, kind, subject, severity, message, todo from resolved
 order by change, subject, kind

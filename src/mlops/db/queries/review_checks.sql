-- by model and week, the newest check of any version: what it found, what it recommended, and what came of it
with checks as (
    select v.model_id, r.version_id, v.version, r.as_of, r.action, f.checked, f.drifted,
           date_trunc('week', r.as_of - interval '84 hours', 'UTC') as week,  -- the middle of the seven days that were checked
           case when v.model_id = any(:replayed) then coalesce(n.as_of, r.as_of) else r.decided_at end as retrained_at, r.verdict
      from analytics.retraining_recommendations r
      join analytics.model_versions v using (version_id)
      left join analytics.model_versions n on n.version_id = r.retrained_version_id
     cross join lateral (
           select count(*) as checked, count(*) filter (where t.drifted) as drifted
             from analytics.model_performance_tracking t where t.version_id = r.version_id and t.as_of = r.as_of) f
     where v.model_id = any(:model_ids) and r.as_of <= :as_of and r.replaced_by is null
), judged as (
    select *, drifted > 0 and lag(drifted, 1, 0::bigint) over (partition by version_id order by as_of) = 0 as onset,
           string_agg(verdict, '; ') filter (where retrained_at <= :as_of)
               over (partition by model_id, week order by as_of, version rows between unbounded preceding and unbounded following) as verdicts,
           max(retrained_at) filter (where retrained_at <= :as_of) over (partition by model_id, week) as newest_retraining
      from checks
)
select distinct on (model_id, week) model_id, week, version, as_of as checked_at, action, checked, drifted,
       bool_or(onset) over (partition by model_id, week) as onset, verdicts as verdict, newest_retraining as retrained_at
  from judged order by model_id, week, as_of desc, version desc

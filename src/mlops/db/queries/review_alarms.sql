-- alarms of models that began after :since: unbroken runs of weekly checks that found drift and said so, and what became of each
with checks as (
    select v.model_id, v.name as model, r.recommendation_id, r.as_of, r.action, v.model_id = any(:replayed) as replayed,
           v.model_id = any(:replayed) or r.decided_at <= :as_of as known, r.status = 'done' as done,
           r.action <> 'none' and exists (select from analytics.model_performance_tracking f
                                           where f.version_id = r.version_id and f.as_of = r.as_of and f.drifted and f.kind <> 'serving') as alarm
      from analytics.retraining_recommendations r join analytics.model_versions v using (version_id)
     where v.model_id = any(:model_ids) and r.as_of <= :as_of and r.replaced_by is null
), runs as (
    select *, count(*) filter (where not alarm) over (partition by model_id order by as_of, recommendation_id) as run,
           max(as_of) over (partition by model_id) as newest
      from checks
), judged as (
    select r.*, d.decision,
           exists (select from analytics.promotions p where p.recommendation_id = r.recommendation_id and p.applied_at is not null
                                                         and (r.replayed or p.decided_at <= :as_of)) as promoted
      from runs r
      left join lateral (select x.decision from analytics.recommendation_decisions x
                          where x.recommendation_id = r.recommendation_id and (r.replayed or x.decided_at <= :as_of)
                          order by x.decision_id desc limit 1) d on true
     where r.alarm
)
select model, min(as_of) as began, max(as_of) as last, count(*) as checks, max(as_of) < newest as over,
       bool_or(action in ('rollback', 'retrain', 'fallback', 'investigate_data')) as called,
       bool_or(promoted) as promoted,
       coalesce(bool_or(decision = 'accept' and not coalesce(done and known, false)), false) as accepted,
       coalesce((array_agg(decision order by as_of desc) filter (where decision is not null))[1] = 'dismiss', false) as dismissed
  from judged group by model_id, model, run, newest having min(as_of) > :since
 order by began desc, model

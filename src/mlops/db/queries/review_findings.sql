-- what drifted in the newest check of versions, the worst first; a finding about a series says which one
select f.version_id, f.kind, f.subject, f.slice, f.detail, f.statistic, f.threshold, f.change, s.series_id,
       case when s.series_id is not null then analytics.series_name(s) end as place
  from (select r.version_id, max(r.as_of) as as_of from analytics.retraining_recommendations r
         where r.version_id = any(:version_ids) and r.as_of <= :as_of and r.replaced_by is null group by r.version_id) newest
  join analytics.model_performance_tracking f using (version_id, as_of)
  left join analytics.series s on f.kind in ('data', 'serving') and s.series_id::text = f.subject
 where f.drifted
 order by f.version_id, f.statistic / nullif(f.threshold, 0) desc nulls last, f.kind, f.subject, f.slice

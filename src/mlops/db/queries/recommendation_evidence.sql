-- the findings that a recommendation rests on, the clearest first
select t.kind, t.subject, t.slice, t.statistic, t.threshold, t.drifted, t.detail, t.change,
       case when s.series_id is not null then analytics.series_name(s) end as place
  from analytics.recommendation_findings l join analytics.model_performance_tracking t using (finding_id)
  left join analytics.series s on t.kind in ('data', 'serving') and s.series_id::text = t.subject
 where l.recommendation_id = :recommendation_id
 order by t.statistic / nullif(t.threshold, 0) desc nulls last, t.kind, t.subject

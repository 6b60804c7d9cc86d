-- the findings that a recommendation rests on, the clearest first
select t.kind, t.subject, t.statistic, t.threshold, t.drifted, t.detail
  from analytics.recommendation_findings l join analytics.model_performance_tracking t using (finding_id)
 where l.recommendation_id = :recommendation_id
 order by t.statistic / nullif(t.threshold, 0) desc nulls last, t.kind, t.subject

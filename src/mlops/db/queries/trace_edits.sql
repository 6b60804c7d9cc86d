-- what was deleted or dated anew, after a prediction was issued, of the raw observations behind it
select e.edit_id, e.action, e.known_at, e.observations, e.first_at, e.last_at, e.decided_at, e.decided_by, e.reason
  from analytics.model_prediction_results p
  join analytics.model_versions v using (version_id)
  join analytics.series s using (series_id)
  left join analytics.forecast_parts f on f.version_id = p.version_id and f.series_id = coalesce(s.weeks_of, p.series_id) and f.cutoff = p.cutoff and p.parts is not null
  join analytics.observation_edits e on e.series_id = any(coalesce(f.parts, array[coalesce(s.weeks_of, p.series_id)]))
 where p.prediction_id = :prediction_id and e.decided_at > p.issued_at
   and e.first_at <= greatest(p.cutoff, p.target_at) and e.last_at >= coalesce(least(v.trained_from, p.cutoff), p.cutoff)
 order by e.edit_id

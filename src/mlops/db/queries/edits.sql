-- what was done to each series by one decision
select edit_id, series_id, series, action, known_at, first_at, last_at, observations, corrections, outcomes, recorded_first, recorded_last,
       decided_by, reason, decided_at
  from analytics.observation_edits where edit_id = :edit_id order by series_id

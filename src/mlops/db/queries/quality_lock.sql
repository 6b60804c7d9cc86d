-- locks the observations whose scores have changed; how many
select analytics.lock_observations(array_agg(series_id), array_agg(observed_at)) from scores

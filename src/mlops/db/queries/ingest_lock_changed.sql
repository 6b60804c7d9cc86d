-- locks the observations that a batch corrects; how many
select analytics.lock_observations(array_agg(series_id), array_agg(observed_at)) from changed

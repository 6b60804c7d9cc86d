-- stores the observations of the file that are new, in key order so that two files wait for each other and never lock up
with stored as (
    insert into analytics.time_series_metrics
           (series_id, observed_at, value, value_lower, value_upper, quality_score, recorded_at)
    select s.series_id, i.observed_at, i.value, i.value_lower, i.value_upper, coalesce(i.quality_score, 1),
           case when cast(:known_at as text) = 'observed'
                then least(statement_timestamp(), i.observed_at + case s.granularity
                           when 'hourly' then interval '1 hour' when 'daily' then interval '1 day'
                           when 'weekly' then interval '7 days' else interval '1 month' end)
                else statement_timestamp() end
      from incoming i join incoming_series s using (series_key)
     order by s.series_id, i.observed_at
    on conflict (series_id, observed_at) do nothing
    returning series_id, observed_at
)
insert into touched (series_id, since, inserted, corrected)
select series_id, min(observed_at), count(*), 0 from stored group by series_id

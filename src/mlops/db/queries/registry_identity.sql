-- the oldest experiment: it tells one registry from another, by whatever address it is reached
select experiment_id, creation_time from experiments where creation_time is not null order by creation_time, experiment_id limit 1

-- the months in which a batch corrects what is stored
select distinct date_trunc('month', observed_at, 'UTC')::date as month from changes order by 1

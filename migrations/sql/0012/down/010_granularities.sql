-- Four granularities again; a series of another one is in the way, and says so.
alter table analytics.series
    drop constraint series_granularity_fkey,
    add constraint series_granularity_check check (granularity in ('hourly', 'daily', 'weekly', 'monthly'));
drop table analytics.granularities;

drop trigger hold on analytics.time_series_staging;
drop function analytics.hold_series;
drop function analytics.edit_observations;
drop table analytics.observation_edits;
drop sequence analytics.edit_id;

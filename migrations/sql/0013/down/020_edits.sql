drop function analytics.edit_observations;
drop table analytics.observation_edits;
drop sequence analytics.edit_id;

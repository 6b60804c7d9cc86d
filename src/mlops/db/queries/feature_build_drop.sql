-- drops a build and its rows
select analytics.drop_offline_build(:build_id)

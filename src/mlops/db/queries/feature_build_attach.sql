-- makes the rows of a build visible
select analytics.attach_offline_build(:build_id)

-- the number of a new build, and the table for its rows
select build_id, analytics.make_offline_build(build_id) as rows_table
  from nextval(pg_get_serial_sequence('analytics.feature_builds', 'build_id')) build_id

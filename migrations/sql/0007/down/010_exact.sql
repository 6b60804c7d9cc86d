drop function analytics.lock_observations, analytics.expect_rows;

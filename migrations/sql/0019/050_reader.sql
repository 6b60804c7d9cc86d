-- What is new here is readable for whoever reads with SQL.
select analytics.grant_reader();

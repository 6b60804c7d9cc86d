drop function analytics.check_system_health(), analytics.check_server_health(interval, interval), analytics.check_months_health();
alter function analytics.check_data_health() rename to check_system_health;
comment on function analytics.check_system_health is 'One row per check: ok, watch or bad, the figure, and what to do. Cheap: it counts no table of observations.';

-- The server itself: its version, its clock, locks, settings and health.

-- name: server_version
-- the server's version as a number: 180006 is 18.6
select current_setting('server_version_num')::int

-- name: now
-- the server's clock
select clock_timestamp()

-- name: lock
-- waits for the advisory lock of a name, held until the end of the transaction
select pg_advisory_xact_lock(hashtextextended(:name, 0))

-- name: reader_role_exists
-- whether the server has the role of read-only users
select exists (select from pg_roles where rolname = 'mlops_reader')

-- name: tune_server
-- facts about the server: connections, months, libraries, and whether it is on this machine
select current_setting('max_connections')::int as connections,
       (select count(*) from pg_inherits i join pg_class c on c.oid = i.inhrelid where c.relkind = 'r')::int as partitions,
       (select setting from pg_settings where name = 'shared_preload_libraries') as libraries,
       exists (select from pg_available_extensions where name = 'pg_stat_statements') as statements,
       inet_client_addr() is null or inet_client_addr() = inet_server_addr() as local

-- name: settings_now
-- server settings as they are now, and whether a change waits for a restart
select name, current_setting(name) as current, context = 'postmaster' as restart
  from pg_settings where name = any(cast(:names as text[]))

-- name: check_system_health
-- the checks of analytics.check_system_health()
select * from analytics.check_system_health()

-- what the server says of itself: connections, months, libraries to be had, and whether it is the embedded one
select current_setting('max_connections')::int as connections,
       (select count(*) from pg_inherits)::int as partitions,
       current_setting('shared_preload_libraries', true) as libraries,
       exists (select from pg_available_extensions where name = 'pg_stat_statements') as statements,
       inet_client_addr() is null or inet_client_addr() = inet_server_addr() as local

-- what the server says of itself: connections, months, libraries to be had, and whether it is on this machine
select current_setting('max_connections')::int as connections,
       (select count(*) from pg_inherits i join pg_class c on c.oid = i.inhrelid where c.relkind = 'r')::int as partitions,
       (select setting from pg_settings where name = 'shared_preload_libraries') as libraries,
       exists (select from pg_available_extensions where name = 'pg_stat_statements') as statements,
       inet_client_addr() is null or inet_client_addr() = inet_server_addr() as local

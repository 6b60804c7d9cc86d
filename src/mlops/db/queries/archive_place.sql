-- the schema and the name of a table
select n.nspname as schema, c.relname as name
  from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = cast(:table as regclass)

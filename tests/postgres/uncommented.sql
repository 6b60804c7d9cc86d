-- Everything in schema analytics that a user may read or call and that no comment explains; partitions are left out.
select case c.relkind when 'v' then 'view' when 'm' then 'materialised view' else 'table' end as kind, c.relname as name
  from pg_class c
 where c.relnamespace = 'analytics'::regnamespace and c.relkind in ('r', 'p', 'v', 'm') and not c.relispartition
   and obj_description(c.oid, 'pg_class') is null
union all
select 'column', c.relname || '.' || a.attname
  from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
 where c.relnamespace = 'analytics'::regnamespace and c.relkind in ('r', 'p', 'v', 'm') and not c.relispartition
   and col_description(c.oid, a.attnum) is null
union all
select 'function', p.oid::regprocedure::text
  from pg_proc p
 where p.pronamespace = 'analytics'::regnamespace and obj_description(p.oid, 'pg_proc') is null
union all
select 'sequence', c.relname
  from pg_class c
 where c.relnamespace = 'analytics'::regnamespace and c.relkind = 'S' and obj_description(c.oid, 'pg_class') is null
   and not exists (select from pg_depend d where d.objid = c.oid and d.deptype in ('i', 'a'))
union all
select 'schema', nspname from pg_namespace where nspname = 'analytics' and obj_description(oid, 'pg_namespace') is null
 order by 1, 2

-- Everything in schema analytics that a migration can get wrong; partitions and their parts are left out.
with own as (
    select c.* from pg_class c where c.relnamespace = 'analytics'::regnamespace and not c.relispartition
)
select 'column' as kind, c.relname || '.' || a.attname as name,
       format_type(a.atttypid, a.atttypmod) || case when a.attnotnull then ' not null' else '' end
       || case a.attgenerated when '' then coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')
               else ' generated ' || pg_get_expr(d.adbin, d.adrelid) end
       || case a.attidentity when '' then '' else ' identity ' || a.attidentity::text end as definition
  from own c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
  left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
 where c.relkind in ('r', 'p')
union all
select 'constraint', c.relname || ' ' || o.conname, pg_get_constraintdef(o.oid)
  from own c join pg_constraint o on o.conrelid = c.oid where o.contype <> 'n'
union all
select 'index', c.relname, pg_get_indexdef(c.oid) || case when i.indisvalid then '' else ' INVALID' end
  from own c join pg_index i on i.indexrelid = c.oid
union all
select 'partition key', c.relname, pg_get_partkeydef(c.oid) from own c where c.relkind = 'p'
union all
select 'policy', p.tablename || ' ' || p.policyname,
       concat_ws(' ', p.permissive, p.cmd, 'to', p.roles::text, 'using ' || p.qual, 'with check ' || p.with_check)
  from pg_policies p where p.schemaname = 'analytics'
union all
select 'row security', c.relname, case when c.relforcerowsecurity then 'forced' else 'enabled' end from own c where c.relrowsecurity
union all
select case c.relkind when 'v' then 'view' else 'materialised view' end, c.relname,
       concat_ws(' ', 'sha256', encode(sha256(convert_to(pg_get_viewdef(c.oid), 'UTF8')), 'hex'), c.reloptions::text)
  from own c where c.relkind in ('v', 'm')
union all
select case p.prokind when 'p' then 'procedure' else 'function' end, p.oid::regprocedure::text,
       concat_ws(' ', 'returns ' || pg_get_function_result(p.oid), l.lanname,
                 case p.provolatile when 'i' then 'immutable' when 's' then 'stable' else 'volatile' end,
                 case when p.prosecdef then 'security definer' else 'security invoker' end,
                 array_to_string(p.proconfig, '; '),
                 case when has_function_privilege('public', p.oid, 'execute') then 'PUBLIC MAY EXECUTE' end,
                 'sha256 ' || left(encode(sha256(convert_to(p.prosrc, 'UTF8')), 'hex'), 16))
  from pg_proc p join pg_language l on l.oid = p.prolang where p.pronamespace = 'analytics'::regnamespace
union all
select 'trigger', c.relname || ' ' || t.tgname, pg_get_triggerdef(t.oid)
  from own c join pg_trigger t on t.tgrelid = c.oid where not t.tgisinternal
 order by 1, 2

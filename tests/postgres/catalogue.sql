-- Everything in schema analytics that a migration can get wrong; partitions and their parts are left out, and so is who owns it.
with own as (
    select c.* from pg_class c where c.relnamespace = 'analytics'::regnamespace and not c.relispartition
), named as (  -- what a comment or a grant may be on
    select 'pg_class'::regclass as class, c.oid, 0 as part, c.relname::text as name, c.relacl as acl, c.relowner as owner from own c where c.relkind <> 'i'
    union all
    select 'pg_class'::regclass, c.oid, a.attnum, c.relname || '.' || a.attname, a.attacl, c.relowner
      from own c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped where c.relkind in ('r', 'p', 'v', 'm')
    union all
    select 'pg_class'::regclass, c.oid, 0, 'index ' || c.relname, null, c.relowner from own c where c.relkind in ('i', 'I')
    union all
    select 'pg_proc'::regclass, p.oid, 0, p.oid::regprocedure::text, p.proacl, p.proowner from pg_proc p where p.pronamespace = 'analytics'::regnamespace
    union all
    select 'pg_namespace'::regclass, n.oid, 0, 'schema ' || n.nspname, n.nspacl, n.nspowner from pg_namespace n where n.nspname = 'analytics'
    union all
    select 'pg_constraint'::regclass, o.oid, 0, 'constraint ' || c.relname || ' ' || o.conname, null, c.relowner
      from own c join pg_constraint o on o.conrelid = c.oid
    union all
    select 'pg_trigger'::regclass, t.oid, 0, 'trigger ' || c.relname || ' ' || t.tgname, null, c.relowner
      from own c join pg_trigger t on t.tgrelid = c.oid where not t.tgisinternal
)
select 'relation' as kind, c.relname::text as name,
       concat_ws(' ', case c.relkind when 'r' then 'table' when 'p' then 'partitioned table' when 'v' then 'view' when 'm' then 'materialised view'
                                     when 'S' then 'sequence' else c.relkind::text end,
                 case c.relpersistence when 'u' then 'unlogged' end, 'with ' || c.reloptions::text,
                 case when c.reltablespace <> 0 then 'in a tablespace' end, case when c.relreplident <> 'd' and c.relkind in ('r', 'p') then 'replica identity ' || c.relreplident::text end) as definition
  from own c where c.relkind not in ('i', 'I')
union all
select 'column', c.relname || '.' || a.attname,
       concat_ws(' ', 'number ' || row_number() over (partition by c.oid order by a.attnum), format_type(a.atttypid, a.atttypmod), case when a.attnotnull then 'not null' end,
                 case a.attgenerated when '' then 'default ' || pg_get_expr(d.adbin, d.adrelid) else 'generated ' || pg_get_expr(d.adbin, d.adrelid) end,
                 case when a.attidentity <> '' then 'identity ' || a.attidentity::text end,
                 case when a.attstorage <> t.typstorage then 'storage ' || a.attstorage::text end, case when a.attcompression <> '' then 'compression ' || a.attcompression::text end,
                 case when a.attcollation <> t.typcollation then 'collate ' || a.attcollation::regcollation::text end, a.attoptions::text,
                 case when a.attstattarget > 0 then 'statistics ' || a.attstattarget end)
  from own c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped join pg_type t on t.oid = a.atttypid
  left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
 where c.relkind in ('r', 'p', 'v', 'm')
union all
select 'constraint', c.relname || ' ' || o.conname, pg_get_constraintdef(o.oid) || case when o.convalidated then '' else ' NOT VALID' end
  from own c join pg_constraint o on o.conrelid = c.oid where o.contype <> 'n'
union all
select 'index', c.relname, pg_get_indexdef(c.oid) || case when i.indisvalid then '' else ' INVALID' end || case when i.indisclustered then ' CLUSTERED' else '' end
  from own c join pg_index i on i.indexrelid = c.oid
union all
select 'partition key', c.relname, pg_get_partkeydef(c.oid) from own c where c.relkind = 'p'
union all
select 'sequence', c.relname, concat_ws(' ', s.seqtypid::regtype, s.seqstart, s.seqincrement, s.seqmin, s.seqmax, s.seqcache, case when s.seqcycle then 'cycle' end)
  from own c join pg_sequence s on s.seqrelid = c.oid
union all
select 'policy', p.tablename || ' ' || p.policyname,
       concat_ws(' ', p.permissive, p.cmd, 'to', p.roles::text, 'using ' || p.qual, 'with check ' || p.with_check)
  from pg_policies p where p.schemaname = 'analytics'
union all
select 'row security', c.relname, case when c.relforcerowsecurity then 'forced' else 'enabled' end from own c where c.relrowsecurity
union all
select case c.relkind when 'v' then 'view' else 'materialised view' end, c.relname, 'sha256 ' || encode(sha256(convert_to(pg_get_viewdef(c.oid), 'UTF8')), 'hex')
  from own c where c.relkind in ('v', 'm')
union all
select 'rule', c.relname || ' ' || r.rulename, pg_get_ruledef(r.oid) from own c join pg_rewrite r on r.ev_class = c.oid where r.rulename <> '_RETURN'
union all
select case p.prokind when 'p' then 'procedure' else 'function' end, p.oid::regprocedure::text,
       concat_ws(' ', '(' || pg_get_function_arguments(p.oid) || ')', 'returns ' || pg_get_function_result(p.oid), l.lanname,
                 case p.provolatile when 'i' then 'immutable' when 's' then 'stable' else 'volatile' end,
                 case when p.prosecdef then 'security definer' else 'security invoker' end,
                 case when p.proisstrict then 'strict' end, case when p.proleakproof then 'leakproof' end, 'parallel ' || p.proparallel::text, 'cost ' || p.procost, 'rows ' || p.prorows,
                 array_to_string(p.proconfig, '; '),
                 case when has_function_privilege('public', p.oid, 'execute') then 'PUBLIC MAY EXECUTE' end,
                 'sha256 ' || left(encode(sha256(convert_to(p.prosrc, 'UTF8')), 'hex'), 16))
  from pg_proc p join pg_language l on l.oid = p.prolang where p.pronamespace = 'analytics'::regnamespace
union all
select 'trigger', c.relname || ' ' || t.tgname, pg_get_triggerdef(t.oid) || case t.tgenabled when 'O' then '' else ' ' || t.tgenabled::text end
  from own c join pg_trigger t on t.tgrelid = c.oid where not t.tgisinternal
union all
select 'statistics', s.stxname, pg_get_statisticsobjdef(s.oid) from pg_statistic_ext s where s.stxnamespace = 'analytics'::regnamespace
union all
select 'type', t.typname, t.typtype::text from pg_type t
 where t.typnamespace = 'analytics'::regnamespace and t.typrelid = 0 and t.typelem = 0
union all
select 'publication', p.pubname, p.puballtables::text from pg_publication p
union all
select 'comment', n.name, d.description from named n join pg_description d on d.classoid = n.class and d.objoid = n.oid and d.objsubid = n.part
union all
select 'grant', n.name || ' to ' || case g.grantee when 0 then 'public' else g.grantee::regrole::text end,
       string_agg(g.privilege_type || case when g.is_grantable then ' with grant option' else '' end, ', ' order by g.privilege_type)
  from named n, aclexplode(n.acl) g where g.grantee <> n.owner group by n.name, g.grantee
union all
select 'default grant', concat_ws(' ', 'of', d.defaclobjtype, 'to', case g.grantee when 0 then 'public' else g.grantee::regrole::text end), string_agg(g.privilege_type, ', ' order by g.privilege_type)
  from pg_default_acl d, aclexplode(d.defaclacl) g
 where d.defaclnamespace = 'analytics'::regnamespace and g.grantee <> d.defaclrole group by d.defaclobjtype, g.grantee
 order by 1, 2

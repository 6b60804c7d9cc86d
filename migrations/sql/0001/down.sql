-- The way down from everything to nothing. Schema analytics and its table schema_version stay, which Alembic empties itself;
-- so do MLflow's schema and the server's role mlops_reader, which other databases may use. What was built outside on top of these
-- tables is not ours to drop: it is named, and nothing happens.
do $$
declare
    outside text;
    called  text;
begin
    select string_agg(distinct pg_describe_object(d.classid, d.objid, 0), ', ') into outside
      from pg_depend d
      join pg_class c on d.refclassid = 'pg_class'::regclass and c.oid = d.refobjid and c.relnamespace = 'analytics'::regnamespace
      left join pg_rewrite w on d.classid = 'pg_rewrite'::regclass and w.oid = d.objid
      left join pg_constraint o on d.classid = 'pg_constraint'::regclass and o.oid = d.objid
      join pg_class b on b.oid = coalesce(w.ev_class, o.conrelid) and b.relnamespace <> 'analytics'::regnamespace;
    if outside is not null then
        raise exception 'schema analytics can''t be dropped: outside of it there is %', outside
              using hint = 'nothing was changed; drop these first', errcode = 'dependent_objects_still_exist';
    end if;

    foreach called in array array(
        select format('drop %s if exists %s cascade',
                      case c.relkind when 'v' then 'view' when 'm' then 'materialized view' when 'S' then 'sequence' else 'table' end,
                      c.oid::regclass)
          from pg_class c
         where c.relnamespace = 'analytics'::regnamespace and c.relkind in ('v', 'm', 'r', 'p', 'S')
           and not c.relispartition and c.relname <> 'schema_version'
           and not exists (select from pg_depend d where d.objid = c.oid and d.deptype = 'i' and c.relkind = 'S'))  -- of an identity column
        || array(
        select format('drop %s if exists %s cascade', case p.prokind when 'p' then 'procedure' else 'function' end, p.oid::regprocedure)
          from pg_proc p
         where p.pronamespace = 'analytics'::regnamespace)
    loop
        execute called;
    end loop;

    if exists (select from pg_roles where rolname = 'mlops_reader') then
        alter default privileges in schema analytics revoke select on tables from mlops_reader;
        revoke usage on schema analytics from mlops_reader;
        revoke select on analytics.schema_version from mlops_reader;
    end if;
    comment on schema analytics is null;
    comment on table analytics.schema_version is null;
    comment on column analytics.schema_version.version_num is null;
end $$;

-- A function gives the same whatever the session of its caller says: with standard_conforming_strings off its patterns
-- would be read otherwise (a refresh lost the days that it took), with quote_all_identifiers on the names that it compares.

do $$
declare
    f regprocedure;
begin
    for f in
        select p.oid from pg_proc p
         where p.pronamespace = 'analytics'::regnamespace and p.prokind = 'f' and p.prolang in (select oid from pg_language where lanname in ('sql', 'plpgsql'))
           and (p.proconfig is not null or strpos(p.prosrc, chr(92)) > 0)
           and not exists (select from pg_depend d where d.objid = p.oid and d.classid = 'pg_proc'::regclass and d.deptype = 'e')
    loop
        execute format('alter function %s set standard_conforming_strings = on', f);
        execute format('alter function %s set quote_all_identifiers = off', f);
    end loop;
end $$;

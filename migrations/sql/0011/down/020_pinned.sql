do $$
declare
    f regprocedure;
begin
    for f in
        select p.oid from pg_proc p
         where p.pronamespace = 'analytics'::regnamespace and p.prokind = 'f' and p.prolang in (select oid from pg_language where lanname in ('sql', 'plpgsql'))
           and array_to_string(p.proconfig, ',') like '%quote_all_identifiers%'
    loop
        execute format('alter function %s reset standard_conforming_strings', f);
        execute format('alter function %s reset quote_all_identifiers', f);
    end loop;
end $$;

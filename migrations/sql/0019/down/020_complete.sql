do $$
declare
    one record;
begin
    for one in
        select * from (values ('view analytics.forecasts', obj_description('analytics.forecasts'::regclass, 'pg_class')),
                              ('view analytics.time_series', replace(obj_description('analytics.time_series'::regclass, 'pg_class'),
                                   ' For sums over longer times ask aggregate_values() or daily_metrics_summary, which keep archived months.', '')),
                              ('view analytics.arrivals', obj_description('analytics.arrivals'::regclass, 'pg_class')),
                              ('function analytics.values_as_of', (select obj_description(p.oid, 'pg_proc') from pg_proc p
                                                                    where p.pronamespace = 'analytics'::regnamespace and p.proname = 'values_as_of'))) as shown (what, words)
    loop
        execute format('comment on %s is %L', one.what, regexp_replace(one.words, 'It is complete from [^:]+ on: months', 'Months'));
    end loop;
end $$;
do $$  -- the view as it is less its last column; what was said of it and who may read it stay
declare
    definition text := regexp_replace(pg_get_viewdef('analytics.time_series'::regclass), ',\s+\( SELECT GREATEST\(.*\) AS complete_from', '');
    said       text := obj_description('analytics.time_series'::regclass, 'pg_class');
    comments   jsonb := (select jsonb_object_agg(a.attname, col_description(a.attrelid, a.attnum))
                           from pg_attribute a where a.attrelid = 'analytics.time_series'::regclass and a.attnum > 0 and a.attname <> 'complete_from');
    readers    regrole[] := array(select r.grantee::regrole from pg_class c, aclexplode(c.relacl) r
                                   where c.oid = 'analytics.time_series'::regclass and r.privilege_type = 'SELECT' and r.grantee not in (0, c.relowner));
    one        record;
    reader     regrole;
begin
    drop view analytics.time_series;
    execute 'create view analytics.time_series as ' || definition;
    execute format('comment on view analytics.time_series is %L', said);
    for one in select * from jsonb_each_text(comments) c where c.value is not null loop
        execute format('comment on column analytics.time_series.%I is %L', one.key, one.value);
    end loop;
    foreach reader in array readers loop
        execute format('grant select on analytics.time_series to %s', reader);
    end loop;
end $$;
drop function analytics.complete_from(regclass);
comment on table analytics.daily_metrics_summary is 'One row per series and local day (by the clock of its time_zone), kept current by analytics.refresh_daily_summary(). It outlives its observations: a month whose partition was dropped keeps its rows.';

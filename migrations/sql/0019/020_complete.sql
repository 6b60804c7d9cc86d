-- What holds single observations or predictions ends where the oldest months have left the database; summaries do not. It says so.

create function analytics.complete_from(p_parent regclass default 'analytics.time_series_metrics') returns timestamptz
language sql stable
set search_path = pg_catalog, pg_temp set timezone = 'UTC' set standard_conforming_strings = on set quote_all_identifiers = off
as $$
    select greatest((select max(a.upper_bound) from analytics.archived_months a where a.parent = p_parent),
                    (select max(l.lost_until) from analytics.partition_log l where l.parent = p_parent::text and l.action = 'dropped'))
$$;
comment on function analytics.complete_from is 'From when on a table holds everything that was ever stored in it: where the newest month ends that is in an archive file or was deleted by retention. Null when no month has left the database. Sums over single observations from before are too small; those of daily_metrics_summary, and of what is made from it, are not.';

do $$  -- the view as it is, and one column more; a subquery, so that who may read the view needs no other right
begin
    execute 'create or replace view analytics.time_series as ' || regexp_replace(
        pg_get_viewdef('analytics.time_series'::regclass), '\n\s+FROM ',
        ', (select greatest((select max(a.upper_bound) from analytics.archived_months a where a.parent = ''analytics.time_series_metrics''::regclass),
                            (select max(l.lost_until) from analytics.partition_log l
                              where l.parent = ''analytics.time_series_metrics'' and l.action = ''dropped''))) as complete_from from ');
end $$;
comment on column analytics.time_series.complete_from is 'From when on these are all observations that were ever stored: earlier ones are in archive files. Null when all are here.';

comment on table analytics.daily_metrics_summary is 'One row per series and local day (by the clock of its time_zone), kept current by analytics.refresh_daily_summary(). It outlives its observations: a month that was archived, or deleted by retention, keeps its rows, so sums over any time are complete here and in everything that is made from it. A route''s customers and the route itself each have rows, which measure the same: choose a level before you add up, see analytics.series_parts.';

do $$  -- what shows single rows says from when on it is complete
declare
    one record;
begin
    for one in
        select * from (values ('view analytics.forecasts', obj_description('analytics.forecasts'::regclass, 'pg_class'), 'analytics.model_prediction_results'),
                              ('view analytics.time_series', obj_description('analytics.time_series'::regclass, 'pg_class')
                                   || ' For sums over longer times ask aggregate_values() or daily_metrics_summary, which keep archived months.', 'analytics.time_series_metrics'),
                              ('view analytics.arrivals', obj_description('analytics.arrivals'::regclass, 'pg_class'), 'analytics.time_series_metrics'),
                              ('function analytics.values_as_of', (select obj_description(p.oid, 'pg_proc') from pg_proc p
                                                                    where p.pronamespace = 'analytics'::regnamespace and p.proname = 'values_as_of'), 'analytics.time_series_metrics')
                      ) as shown (what, words, parent)
    loop
        execute format('comment on %s is %L', one.what, replace(one.words, 'Months that are archived',
            format('It is complete from analytics.complete_from(%L) on: months that are archived', one.parent)));
    end loop;
end $$;

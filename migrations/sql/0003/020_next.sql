-- The next statement for the first partition that has no index attached yet; no row when all have.
-- An invalid index was left by an interrupted run. CREATE INDEX CONCURRENTLY can't run inside a function, so it is told here.
with parent as (
    select 'analytics.time_series_metrics'::regclass as oid, 'analytics.time_series_metrics_recorded'::regclass as index
), todo as (
    select c.oid, n.nspname, c.relname, 'recorded_' || c.oid as made, x.indexrelid, x.indisvalid
      from parent p
      join pg_inherits i on i.inhparent = p.oid
      join pg_class c on c.oid = i.inhrelid
      join pg_namespace n on n.oid = c.relnamespace
      left join pg_index x on x.indrelid = c.oid and x.indexrelid = to_regclass(format('%I.%I', n.nspname, 'recorded_' || c.oid))
     where not exists (select from pg_inherits a join pg_index b on b.indexrelid = a.inhrelid
                        where a.inhparent = p.index and b.indrelid = c.oid)
     order by c.relname
     limit 1
)
select case when indexrelid is null then format('create index concurrently %I on %I.%I using brin (recorded_at)', made, nspname, relname)
            when not indisvalid     then format('drop index concurrently %I.%I', nspname, made)
            else format('alter index %s attach partition %I.%I', index, nspname, made) end
  from todo, parent

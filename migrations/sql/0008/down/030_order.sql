create function analytics.partition_order(p_partition regclass)
returns real
language sql stable set search_path = pg_catalog, pg_temp
as $$
    select s.correlation
      from pg_class c
      join pg_namespace n on n.oid = c.relnamespace
      join pg_stats s on s.schemaname = n.nspname and s.tablename = c.relname and s.attname = 'series_id'
     where c.oid = p_partition
$$;
comment on function analytics.partition_order is 'How far rows of one series lie side by side, as of the last ANALYZE: 1 is perfectly, 0 not at all, null is not known.';

create function analytics.cluster_partition(p_partition regclass)
returns boolean
language plpgsql security definer
set search_path = pg_catalog, pg_temp set timezone = 'UTC' set lock_timeout = '3s'
as $$
declare
    month       record;
    schema_name name;
    table_name  name;
    draft       name;
    columns     text;
    index       record;
    moved       bigint;
begin
    select * into month from analytics.month_partitions('analytics.time_series_metrics') where partition = p_partition;
    if not found then
        raise exception '% is not a month of analytics.time_series_metrics', p_partition using errcode = 'invalid_parameter_value';
    end if;
    if month.upper_bound > now() then
        raise exception '% is not over yet', p_partition
              using errcode = 'invalid_parameter_value', hint = format('its month ends at %s', month.upper_bound);
    end if;
    select n.nspname, c.relname into strict schema_name, table_name
      from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = p_partition;

    execute format('analyze %I.%I', schema_name, table_name);  -- two at once: the second waits here
    if coalesce(analytics.partition_order(p_partition), 1) >= 0.95 then
        return false;
    end if;

    -- writers to this month wait from here on, readers never do
    execute format('lock table only %I.%I in share mode', schema_name, table_name);
    draft := format('ordered_%s', p_partition::oid);
    execute format(
        'create table %I.%I (like %I.%I including defaults including constraints including storage including generated including statistics)',
        schema_name, draft, schema_name, table_name);
    select string_agg(quote_ident(attname), ', ' order by attnum) into columns
      from pg_attribute where attrelid = p_partition and attnum > 0 and not attisdropped and attgenerated = '';
    execute format(
        'insert into %I.%I (%s) select %s from only %I.%I order by series_id, observed_at',
        schema_name, draft, columns, columns, schema_name, table_name);
    get diagnostics moved = row_count;
    for index in
        select i.indexrelid, i.indisprimary, i.indisunique, substring(pg_get_indexdef(i.indexrelid) from ' USING .*$') as definition
          from pg_index i where i.indrelid = p_partition and i.indisvalid order by i.indisprimary desc
    loop
        execute format(
            'create %s index %I on %I.%I %s', case when index.indisunique then 'unique' else '' end,
            format('ordered_index_%s', index.indexrelid), schema_name, draft, index.definition);
        if index.indisprimary then
            execute format('alter table %I.%I add constraint %I primary key using index %I',
                schema_name, draft, format('ordered_index_%s', index.indexrelid), format('ordered_index_%s', index.indexrelid));
        end if;
    end loop;
    -- what ATTACH would otherwise read the whole table for
    execute format('alter table %I.%I add constraint ordered_bounds check (observed_at >= %L and observed_at < %L)',
        schema_name, draft, month.lower_bound, month.upper_bound);
    execute format('analyze %I.%I', schema_name, draft);

    perform analytics.swap_partition('analytics.time_series_metrics', p_partition, format('%I.%I', schema_name, draft)::regclass);
    insert into analytics.partition_log (parent, partition, action, rows, bytes)
    values ('analytics.time_series_metrics', format('%I.%I', schema_name, table_name), 'clustered', moved,
            pg_total_relation_size(format('%I.%I', schema_name, table_name)));
    return true;
end $$;
comment on function analytics.cluster_partition is 'Rewrites a month that is over in order of series and time; false when it lies in order already. Readers never wait for the rewriting, writers of that month do.';

create function analytics.swap_partition(p_parent regclass, p_old regclass, p_new regclass)
returns void
language plpgsql
-- shorter than deadlock_timeout: whoever waits for us is never the one that a deadlock kills
set search_path = pg_catalog, pg_temp set timezone = 'UTC' set lock_timeout = '100ms'
as $$
declare
    old_name name := (select relname from pg_class where oid = p_old);
    bounds   text := (select pg_get_expr(relpartbound, oid) from pg_class where oid = p_old);
    renames  text[] := array(
        select format('alter index %s rename to %I', format('%I.%I', n.nspname, 'ordered_index_' || i.indexrelid), c.relname)
          from pg_index i join pg_class c on c.oid = i.indexrelid join pg_namespace n on n.oid = c.relnamespace
         where i.indrelid = p_old and i.indisvalid);
    rename   text;
begin
    for attempt in 1 .. 60 loop
        if exists (select from pg_locks where relation = p_old and not granted) then
            raise exception 'somebody waits to write to %', p_old
                  using errcode = 'lock_not_available', hint = 'nothing was changed; try again later';
        end if;
        begin
            execute format('lock table only %s in access exclusive mode', p_parent);
            execute format('alter table %s detach partition %s', p_parent, p_old);
            execute format('drop table %s', p_old);
            execute format('alter table %s rename to %I', p_new, old_name);
            foreach rename in array renames loop
                execute rename;
            end loop;
            execute format('alter table %s attach partition %s %s', p_parent, p_new, bounds);
            execute format('alter table %s drop constraint ordered_bounds', p_new);
            return;
        exception when lock_not_available then
            if attempt = 60 then
                raise exception '% is in use', p_parent
                      using errcode = 'lock_not_available', hint = 'nothing was changed; try again later';
            end if;
            perform pg_sleep(0.1);
        end;
    end loop;
end $$;
comment on function analytics.swap_partition is 'Puts a finished table in the place of a partition, under a lock that is asked for briefly and again; a part of cluster_partition.';

revoke execute on function analytics.partition_order, analytics.cluster_partition, analytics.swap_partition from public;

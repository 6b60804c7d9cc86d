drop trigger check_new on analytics.model_prediction_results;
drop trigger check_moved on analytics.model_prediction_results;
drop trigger keep_named on analytics.series;
drop trigger keep_named_id on analytics.series;
drop trigger keep_all_named on analytics.series;
drop trigger keep_named on analytics.model_versions;
drop trigger keep_named_id on analytics.model_versions;
drop trigger keep_all_named on analytics.model_versions;

create or replace function analytics.attach_archive(p_archive_id bigint, p_table regclass, p_days int)
returns table (partition text, restored bigint, there bigint)
language plpgsql
set search_path = pg_catalog, pg_temp set timezone = 'UTC' set lock_timeout = '3s'
as $$
#variable_conflict use_column
declare
    archive     analytics.partition_archives;
    columns     text;
    schema_name name;
    table_name  name;
begin
    select * into strict archive from analytics.partition_archives a where a.archive_id = p_archive_id for update;
    partition := archive.partition; restored := archive.rows; there := 0;
    select n.nspname, c.relname into strict schema_name, table_name
      from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = p_table;
    execute format('lock table only %s in share update exclusive mode', archive.parent);
    if exists (select from analytics.month_partitions(archive.parent) m where m.lower_bound = archive.lower_bound) then
        select string_agg(quote_ident(attname), ', ' order by attnum) into columns
          from pg_attribute where attrelid = p_table and attnum > 0 and not attisdropped and attgenerated = '';
        execute format('insert into %s (%s) select %s from %s on conflict do nothing', archive.parent, columns, columns, p_table);
        get diagnostics restored = row_count;
        there := archive.rows - restored;
        execute format('drop table %s', p_table);
    else
        execute format('alter table %s rename to %I', p_table, (parse_ident(archive.partition))[2]);
        execute format('alter table %s attach partition %I.%I for values from (%L) to (%L)',
            archive.parent, schema_name, (parse_ident(archive.partition))[2], archive.lower_bound, archive.upper_bound);
    end if;
    update analytics.partition_archives a
       set restored_at = clock_timestamp(), restored_until = clock_timestamp() + make_interval(days => p_days)
     where a.archive_id = p_archive_id;
    insert into analytics.partition_log (parent, partition, action, rows) values (archive.parent::text, archive.partition, 'restored', restored);
    return next;
end $$;
comment on function analytics.attach_archive is 'Takes a table with the rows of an archive as its month, or brings in those that the month lacks; a part of mlops db restore-archive.';

drop function analytics.check_new_predictions();
drop function analytics.check_moved_prediction();
drop function analytics.keep_what_predictions_name();
drop function analytics.refuse_orphans(bigint[], bigint[]);

comment on column analytics.model_prediction_results.version_id is null;
comment on column analytics.model_prediction_results.series_id is null;
alter table analytics.model_prediction_results
    add foreign key (version_id) references analytics.model_versions,
    add foreign key (series_id) references analytics.series;

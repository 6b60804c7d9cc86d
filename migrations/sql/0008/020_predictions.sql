-- A foreign key makes every new month of predictions wait for the writers of `series` and `model_versions`, and them behind it; so does
-- every drop. Triggers keep the same promise with the locks that a foreign key takes for each row, once for a statement.

alter table analytics.model_prediction_results
    drop constraint model_prediction_results_version_id_fkey,
    drop constraint model_prediction_results_series_id_fkey;
comment on column analytics.model_prediction_results.version_id is 'Of analytics.model_versions; a trigger refuses any other.';
comment on column analytics.model_prediction_results.series_id is 'Of analytics.series; a trigger refuses any other.';

create function analytics.refuse_orphans(p_version_ids bigint[], p_series_ids bigint[]) returns void
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
declare
    wrong bigint;
begin
    -- locked as a foreign key locks them: nobody can delete them before this transaction ends, everything else goes on
    perform from analytics.model_versions where version_id = any (p_version_ids) order by version_id for key share;
    perform from analytics.series where series_id = any (p_series_ids) order by series_id for key share;
    select w into wrong from unnest(p_version_ids) w where not exists (select from analytics.model_versions v where v.version_id = w) limit 1;
    if found then
        raise exception 'there is no model version %, so it can have no predictions', wrong
              using errcode = 'foreign_key_violation', hint = 'nothing of this statement was stored; mlops registry sync brings versions in';
    end if;
    select w into wrong from unnest(p_series_ids) w where not exists (select from analytics.series s where s.series_id = w) limit 1;
    if found then
        raise exception 'there is no series %, so it can have no predictions', wrong
              using errcode = 'foreign_key_violation', hint = 'nothing of this statement was stored; make the series with analytics.series_for';
    end if;
end $$;
comment on function analytics.refuse_orphans is 'Raises unless these versions and series are there, and keeps them there until the transaction ends.';

create function analytics.check_new_predictions() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform analytics.refuse_orphans(
        array(select distinct version_id from arrived), array(select distinct series_id from arrived));
    return null;
end $$;
create trigger check_new after insert on analytics.model_prediction_results
    referencing new table as arrived for each statement execute function analytics.check_new_predictions();

create function analytics.check_moved_prediction() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
begin
    perform analytics.refuse_orphans(array[new.version_id], array[new.series_id]);
    return null;
end $$;
create trigger check_moved after update of version_id, series_id on analytics.model_prediction_results
    for each row execute function analytics.check_moved_prediction();

create function analytics.keep_what_predictions_name() returns trigger
language plpgsql security definer
set search_path = pg_catalog, pg_temp
as $$
declare
    what  text;
    named boolean;
begin
    if tg_op = 'TRUNCATE' then
        what := tg_relid::regclass::text;
        select exists (select from analytics.model_prediction_results) into named;
    elsif tg_table_name = 'series' then
        what := format('series %s', old.series_id);
        select exists (select from analytics.model_prediction_results where series_id = old.series_id) into named;
    else
        what := format('model version %s', old.version_id);
        select exists (select from analytics.model_prediction_results where version_id = old.version_id) into named;
    end if;
    if named then
        raise exception '% can''t go: there are predictions of it', what
              using errcode = 'foreign_key_violation', hint = 'nothing was changed; delete the predictions first';
    end if;
    return null;
end $$;
create trigger keep_named after delete on analytics.series
    for each row execute function analytics.keep_what_predictions_name();
create trigger keep_named_id after update of series_id on analytics.series
    for each row when (old.series_id is distinct from new.series_id) execute function analytics.keep_what_predictions_name();
create trigger keep_all_named after truncate on analytics.series
    for each statement execute function analytics.keep_what_predictions_name();
create trigger keep_named after delete on analytics.model_versions
    for each row execute function analytics.keep_what_predictions_name();
create trigger keep_named_id after update of version_id on analytics.model_versions
    for each row when (old.version_id is distinct from new.version_id) execute function analytics.keep_what_predictions_name();
create trigger keep_all_named after truncate on analytics.model_versions
    for each statement execute function analytics.keep_what_predictions_name();

comment on function analytics.check_new_predictions is 'Refuses predictions of a version or series that is not there.';
comment on function analytics.check_moved_prediction is 'The same, where a prediction is given to another version or series.';
comment on function analytics.keep_what_predictions_name is 'Refuses to let a version or series go while there are predictions of it.';

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
    versions    bigint[];
    series      bigint[];
begin
    select * into strict archive from analytics.partition_archives a where a.archive_id = p_archive_id;
    partition := archive.partition; restored := archive.rows; there := 0;
    select n.nspname, c.relname into strict schema_name, table_name
      from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.oid = p_table;
    if archive.parent = 'analytics.model_prediction_results'::regclass then
        execute format('select array(select distinct version_id from %1$s), array(select distinct series_id from %1$s)', p_table) into versions, series;
        begin
            perform analytics.refuse_orphans(versions, series);
        exception when foreign_key_violation then
            raise exception '% can''t come back: %', archive.partition, sqlerrm
                  using errcode = 'object_not_in_prerequisite_state', hint = 'nothing was restored; the file stays readable with any Parquet reader';
        end;
    end if;
    execute format('lock table only %s in share update exclusive mode', archive.parent);
    -- whoever has looked which months are archived reads them there and the others here: not while that changes
    lock table analytics.partition_archives in access exclusive mode;
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
comment on function analytics.attach_archive is 'Takes a table with the rows of an archive as its month, or brings in those that the month lacks; a part of mlops db restore-archive, which brings the whole family of the month back.';

revoke execute on function
    analytics.refuse_orphans, analytics.check_new_predictions, analytics.check_moved_prediction, analytics.keep_what_predictions_name,
    analytics.attach_archive from public;

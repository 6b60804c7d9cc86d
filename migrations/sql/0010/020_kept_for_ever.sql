-- What is kept for ever can't be emptied either: TRUNCATE passes triggers for rows, and a partition's passes its parent's.

create function analytics.refuse_truncate() returns trigger
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
    raise exception '% is kept for ever and can''t be emptied', tg_relid::regclass
          using hint = 'nothing was changed; months go by analytics.drop_old_partitions(), which archives them',
                errcode = 'object_not_in_prerequisite_state';
end $$;
comment on function analytics.refuse_truncate is 'Refuses TRUNCATE of a table whose rows are kept for ever.';

create function analytics.keep_for_ever(p_table regclass) returns void
language plpgsql set search_path = pg_catalog, pg_temp
as $$
begin
    if not exists (select from pg_trigger where tgrelid = p_table and tgname = 'refuse_truncate') then
        execute format('create trigger refuse_truncate before truncate on %s for each statement execute function analytics.refuse_truncate()', p_table);
    end if;
end $$;
comment on function analytics.keep_for_ever is 'Lets TRUNCATE of a table be refused; may be repeated.';
revoke execute on function analytics.keep_for_ever from public;

select analytics.keep_for_ever(kept::regclass)
  from unnest(array[
       'analytics.promotions', 'analytics.recommendation_decisions', 'analytics.retraining_recommendations',
       'analytics.registered_models', 'analytics.registered_model_names', 'analytics.model_aliases',
       'analytics.model_feature_store', 'analytics.model_prediction_results', 'analytics.time_series_revisions',
       'analytics.partition_log', 'analytics.partition_archives', 'analytics.ingest_batches']) as kept;
select analytics.keep_for_ever(m.partition)
  from unnest(array['analytics.model_prediction_results', 'analytics.time_series_revisions']) as parent,
       analytics.month_partitions(parent::regclass) m;

-- Whatever makes, restores or rebuilds a month notes it in the log, in the same transaction and with the owner's rights.
create function analytics.keep_new_partition() returns trigger
language plpgsql security definer set search_path = pg_catalog, pg_temp
as $$
begin
    if exists (select from pg_trigger where tgrelid = to_regclass(new.parent) and tgname = 'refuse_truncate') then
        perform analytics.keep_for_ever(new.partition::regclass);
    end if;
    return null;
end $$;
comment on function analytics.keep_new_partition is 'Lets TRUNCATE of a new month be refused where it is of the whole table.';
revoke execute on function analytics.keep_new_partition from public;
create trigger keep_new_partition after insert on analytics.partition_log
    for each row when (new.action in ('made', 'restored', 'clustered')) execute function analytics.keep_new_partition();

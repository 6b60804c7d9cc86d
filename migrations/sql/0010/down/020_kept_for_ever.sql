drop trigger keep_new_partition on analytics.partition_log;
drop function analytics.keep_new_partition();
drop function analytics.refuse_truncate() cascade;
drop function analytics.keep_for_ever(regclass);

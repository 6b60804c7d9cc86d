drop function analytics.cluster_partition(regclass);
drop function analytics.swap_partition(regclass, regclass, regclass);
drop function analytics.partition_order(regclass);

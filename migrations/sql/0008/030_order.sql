-- Closed months are no longer laid in order of their series: what that cost readers of days, and old snapshots, was more than it gained.

drop function analytics.cluster_partition(regclass);
drop function analytics.swap_partition(regclass, regclass, regclass);
drop function analytics.partition_order(regclass);

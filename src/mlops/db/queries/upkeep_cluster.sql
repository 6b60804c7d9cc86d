-- lays the rows of a month that is over in order; whether that had to be done
select analytics.cluster_partition(cast(:partition as regclass))

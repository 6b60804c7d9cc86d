-- makes the partitions of these months, for observations and for their corrections; how many were missing
select analytics.ensure_partitions(cast(:months as date[]))
     + analytics.ensure_partitions(cast(:months as date[]), 'analytics.time_series_revisions') as made

-- the series of a selection, or all, by a name that a person knows
select series_id, analytics.series_name(series) as name
  from analytics.series
 where (cast(:metric_type as text) is null or metric_type = :metric_type)
   and (cast(:granularity as text) is null or granularity = :granularity)
   and (cast(:labels as jsonb) is null or labels @> cast(:labels as jsonb))
   and (cast(:level as text) is null or level = :level)
   and (not total or cast(:granularity as text) is null)  -- a selection has no totals
 order by series_id

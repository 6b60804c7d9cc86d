-- the labels that series (of a metric type, of a granularity) have, and the values of each
select label.key, array_agg(distinct label.value order by label.value) as values
  from analytics.series, jsonb_each_text(labels) as label
 where (cast(:metric_type as text) is null or metric_type = :metric_type)
   and (cast(:granularity as text) is null or granularity = :granularity)
   and not total
 group by label.key
 order by label.key

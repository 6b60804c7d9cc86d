-- the labels that series of a metric type and granularity have, and the values of each
select label.key, array_agg(distinct label.value order by label.value) as values
  from analytics.series, jsonb_each_text(labels) as label
 where metric_type = :metric_type
   and granularity = :granularity and not total
 group by label.key
 order by label.key

-- the declared metric types with how many series are of each
select t.name, t.unit, t.aggregate, t.min_value, t.max_value, t.absence, count(s.series_id) as series
  from analytics.metric_types t left join analytics.series s on s.metric_type = t.name and not s.total
 group by t.name order by t.name

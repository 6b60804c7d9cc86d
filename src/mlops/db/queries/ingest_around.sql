-- what is stored of the series of a batch, as one array per series and column: everything in its span, and what is looked back on
-- before and after it; bounds only where there are any
select s.series_id, o.*
  from spans s
 cross join lateral (
       select array_send(array_agg(observed_at)) as observed_at, array_send(array_agg(value)) as value,
              case when count(value_lower) > 0 then array_send(array_agg(coalesce(value_lower, 'NaN'))) end as value_lower,
              case when count(value_upper) > 0 then array_send(array_agg(coalesce(value_upper, 'NaN'))) end as value_upper,
              array_send(array_agg(coalesce(quality_score, 'NaN'))) as quality_score
         from ((select observed_at, value, value_lower, value_upper, quality_score from analytics.time_series_metrics
                 where series_id = s.series_id and observed_at < s.first_at order by observed_at desc limit s.look_back)
               union all
               (select observed_at, value, value_lower, value_upper, quality_score from analytics.time_series_metrics
                 where series_id = s.series_id and observed_at between s.first_at and s.last_at)
               union all
               (select observed_at, value, value_lower, value_upper, quality_score from analytics.time_series_metrics
                 where series_id = s.series_id and observed_at > s.last_at order by observed_at limit s.look_back)) m
       having count(*) > 0) o

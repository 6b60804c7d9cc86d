-- what is stored of the series of a batch: everything in its span, and what is looked back on before and after it
select o.series_id, o.observed_at, o.value, coalesce(o.value_lower, 'NaN') as value_lower, coalesce(o.value_upper, 'NaN') as value_upper,
       coalesce(o.quality_score, 'NaN') as quality_score
  from spans s
 cross join lateral (
       (select series_id, observed_at, value, value_lower, value_upper, quality_score from analytics.time_series_metrics
         where series_id = s.series_id and observed_at < s.first_at order by observed_at desc limit s.look_back)
       union all
       (select series_id, observed_at, value, value_lower, value_upper, quality_score from analytics.time_series_metrics
         where series_id = s.series_id and observed_at between s.first_at and s.last_at)
       union all
       (select series_id, observed_at, value, value_lower, value_upper, quality_score from analytics.time_series_metrics
         where series_id = s.series_id and observed_at > s.last_at order by observed_at limit s.look_back)) o

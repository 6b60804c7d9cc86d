-- remembers which stored observations a batch corrects
create temporary table changed on commit drop as
select m.series_id, m.observed_at
  from changes c
  join analytics.time_series_metrics m on m.series_id = c.series_id and m.observed_at = c.observed_at
 where m.observed_at between (select min(observed_at) from changes) and (select max(observed_at) from changes)
   and (m.value, m.value_lower, m.value_upper, m.quality_score) is distinct from (c.value, c.value_lower, c.value_upper, c.quality_score)

-- locks the stored observations about which the file says something else, in key order; a bound or score left out says nothing
create temporary table changed on commit drop as
select m.series_id, m.observed_at, m.value, m.value_lower, m.value_upper, m.recorded_at, i.value as new_value,
       case when i.value = m.value then coalesce(i.value_lower, m.value_lower) else i.value_lower end as new_lower,
       case when i.value = m.value then coalesce(i.value_upper, m.value_upper) else i.value_upper end as new_upper,
       coalesce(i.quality_score, m.quality_score) as new_score
  from incoming i
  join incoming_series s using (series_key)
  join analytics.time_series_metrics m on m.series_id = s.series_id and m.observed_at = i.observed_at
 where m.observed_at between (select min(observed_at) from incoming) and (select max(observed_at) from incoming)
   and (m.value, m.value_lower, m.value_upper, m.quality_score) is distinct from
       (i.value, coalesce(i.value_lower, m.value_lower), coalesce(i.value_upper, m.value_upper), coalesce(i.quality_score, m.quality_score))
 order by m.series_id, m.observed_at
   for update of m

-- arriving rows that somebody else stored first become changes of what is stored; a bound left out says nothing
insert into changes (series_id, observed_at, value, value_lower, value_upper, quality_score, is_anomaly, anomaly_score)
select a.series_id, a.observed_at, a.value,
       case when a.value = m.value then coalesce(a.value_lower, m.value_lower) else a.value_lower end,
       case when a.value = m.value then coalesce(a.value_upper, m.value_upper) else a.value_upper end,
       case when a.value = m.value then m.quality_score else a.quality_score end, a.is_anomaly, a.anomaly_score
  from arriving a
  join analytics.time_series_metrics m on m.series_id = a.series_id and m.observed_at = a.observed_at
 where m.observed_at between (select min(observed_at) from arriving) and (select max(observed_at) from arriving)
   and (a.value, a.value_lower, a.value_upper) is distinct from (m.value, m.value_lower, m.value_upper)

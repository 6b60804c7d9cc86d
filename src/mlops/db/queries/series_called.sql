-- series by what they are and by what people call them: by all of their places and labels, or by one of them
select s.series_id, s.metric_type, s.granularity, analytics.series_name(s) as name,
       array_remove(array[analytics.series_name(s), s.customer_id, s.route_id, s.vehicle_id, s.driver_id, s.site_id], null)
       || coalesce((select array_agg(value) from jsonb_each_text(s.labels)), '{}') as names
  from analytics.series s
 where not s.total and (cast(:metric_type as text) is null or s.metric_type = :metric_type)
   and (cast(:labels as jsonb) is null or s.labels @> :labels)
 order by s.series_id

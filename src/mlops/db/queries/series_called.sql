-- series by what they are and by what people call them: all of their places and labels, or one of them
select s.series_id, s.metric_type, s.granularity, n.name, array_remove(array[n.name, s.customer_id, s.route_id, s.vehicle_id, s.driver_id, s.site_id], null)
       || coalesce((select array_agg(value) from jsonb_each_text(s.labels)), '{}') as names
  from analytics.series s
 cross join lateral (
       select coalesce(nullif(concat_ws(' ', s.site_id, s.route_id, s.vehicle_id, s.driver_id, s.customer_id,
                                        (select string_agg(value, ' ' order by key) from jsonb_each_text(s.labels))), ''),
                       'series ' || s.series_id) as name) n
 where (cast(:metric_type as text) is null or s.metric_type = :metric_type)
   and (cast(:labels as jsonb) is null or s.labels @> :labels)
 order by s.series_id

-- the series of a selection, or all, by a name that a person knows
select series_id,
       coalesce(nullif(concat_ws(' ', site_id, route_id, vehicle_id, driver_id, customer_id,
                                 (select string_agg(value, ' ' order by key) from jsonb_each_text(labels))), ''),
                'series ' || series_id) as name
  from analytics.series
 where (cast(:metric_type as text) is null or metric_type = :metric_type)
   and (cast(:granularity as text) is null or granularity = :granularity)
   and (cast(:labels as jsonb) is null or labels @> cast(:labels as jsonb))
 order by series_id

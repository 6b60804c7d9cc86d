-- what drifted in one check of a version, the worst first; a finding about a series says which one
select f.kind, f.subject, f.detail, f.statistic, f.threshold, s.series_id,
       coalesce(nullif(concat_ws(' · ', s.customer_id, s.route_id, s.vehicle_id, s.driver_id, s.site_id), ''),
                (select string_agg(value, ' · ' order by key) from jsonb_each_text(s.labels)), 'series ' || s.series_id) as place
  from analytics.model_performance_tracking f
  left join analytics.series s on f.kind = 'data' and s.series_id::text = f.subject
 where f.version_id = :version_id and f.as_of = :checked_at and f.drifted
 order by f.statistic / nullif(f.threshold, 0) desc nulls last, f.kind, f.subject

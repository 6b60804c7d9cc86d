-- A series by the name that a person knows, said once.

create function analytics.series_name(s analytics.series) returns text
language sql stable
as $$
    select coalesce(nullif(concat_ws(' · ', s.customer_id, s.route_id, s.vehicle_id, s.driver_id, s.site_id,
                                     (select string_agg(value, ' · ' order by key) from jsonb_each_text(s.labels))), ''),
                    'series ' || s.series_id)
$$;
comment on function analytics.series_name is 'What a person calls a series: its customer, route, vehicle, driver, site and labels; its number where it has none of them.';

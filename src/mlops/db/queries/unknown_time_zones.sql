-- which of these time zones the server does not know
select name from unnest(cast(:names as text[])) as zones (name) where not analytics.is_time_zone(name) order by name

-- declares a metric type, unless one of that name is there
insert into analytics.metric_types (name, unit, aggregate, min_value, max_value, absence)
values (:name, :unit, :aggregate, :min_value, :max_value, :absence)
on conflict (name) do nothing

drop function analytics.open_alerts(timestamptz, jsonb);
drop function analytics.is_of_monitoring(text);
drop function analytics.monitoring_alerts(timestamptz, jsonb);

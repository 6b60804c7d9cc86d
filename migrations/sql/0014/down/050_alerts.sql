drop function analytics.open_alerts(timestamptz, jsonb);
drop function analytics.monitoring_alerts(timestamptz, jsonb);

alter table analytics.metric_types
    drop column seasons, drop column flat_after, drop column jump_limit, drop column late_after, drop column anomaly_limit;

-- What is usual and what is not, per metric type: seasons, flat lines, jumps, late arrivals, anomalies.

alter table analytics.metric_types
    add column seasons       text[]   not null default '{week,year}' check (seasons <@ '{day,week,month,year}' and array_position(seasons, null) is null),
    add column flat_after    int      not null default 3             check (flat_after between 2 and 20),
    add column jump_limit    real     not null default 8             check (jump_limit > 0),
    add column late_after    interval not null default '7 days'      check (late_after >= interval '0'),
    add column anomaly_limit real     not null default 5.5             check (anomaly_limit > 0);

comment on column analytics.metric_types.seasons       is 'Seasons that this kind of measurement may have: any of day, week, month, year.';
comment on column analytics.metric_types.flat_after    is 'Equal values in a row from which on a series counts as a flat line, 2 to 20. Quality is 0 there.';
comment on column analytics.metric_types.jump_limit    is 'Robust standard deviations beyond which a value is a jump, or outside of the range of its past. Quality is halved there.';
comment on column analytics.metric_types.late_after    is 'What arrives later than this after the end of its period is stale. It lowers quality gently.';
comment on column analytics.metric_types.anomaly_limit is 'An anomaly_score (robust standard deviations from what was expected) above this makes is_anomaly true.';

update analytics.metric_types set seasons = '{week,month,year}' where name in ('revenue', 'fuel_consumption');
update analytics.metric_types set seasons = '{day,week}'        where name in ('container_fill_level', 'service_delay');
update analytics.metric_types set seasons = '{day,week,year}'   where name in ('customer_activity', 'route_duration');
update analytics.metric_types set seasons = '{week}'            where name in ('driver_efficiency', 'vehicle_utilization');
update analytics.metric_types set flat_after = 7                where name in ('missed_collections', 'customer_satisfaction', 'container_fill_level');
update analytics.metric_types set jump_limit = 12               where name in ('container_fill_level', 'missed_collections'); -- emptied at once; rare but real
update analytics.metric_types set late_after = '30 days'        where name in ('revenue', 'customer_satisfaction');

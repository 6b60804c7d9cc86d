-- What it means when nothing was measured on a day without service.

alter table analytics.metric_types
    add column absence text not null default 'nothing' check (absence in ('nothing', 'zero'));
comment on column analytics.metric_types.absence is 'What a step without service means: zero, because what is counted or weighed did not come (collections, weight, fuel, revenue, activity); or nothing, because there was nothing of which a rate, level, duration or distance could be taken.';
update analytics.metric_types set absence = 'zero'
 where name in ('waste_volume', 'collection_weight', 'collection_count', 'missed_collections', 'fuel_consumption', 'customer_activity', 'revenue');

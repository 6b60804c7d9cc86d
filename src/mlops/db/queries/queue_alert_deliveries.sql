-- lists what the channels in :document are still to be told: what is open, open still, or resolved; how many messages that adds
with channels as (
    select * from jsonb_to_recordset(cast(:document as jsonb) -> 'channels') as c (channel text, severity text, repeat_days float8)
), dropped as (  -- nobody needs to be reminded of what is over
    delete from analytics.alert_deliveries where delivery_id in (
           select d.delivery_id from analytics.alert_deliveries d join analytics.alerts a using (alert_id)
            where d.sent_at is null and d.event = 'reminder' and a.resolved_at is not null for update of d skip locked)
), told as (
    select alert_id, channel, max(number) as number, max(sent_at) as sent_at, bool_or(sent_at is null) as waiting
      from analytics.alert_deliveries group by alert_id, channel
), wanted as (
    select a.alert_id, c.channel, 'opened' as event, 0 as number
      from analytics.alerts a join channels c on a.severity = 'critical' or c.severity = 'warning'
     where a.resolved_at is null
    union all
    select a.alert_id, c.channel, 'reminder', t.number + 1
      from analytics.alerts a join told t using (alert_id) join channels c using (channel)
     where a.resolved_at is null and not t.waiting and t.sent_at < clock_timestamp() - c.repeat_days * interval '1 day'
    union all  -- unless the only message came so late that it said so already
    select a.alert_id, c.channel, 'resolved', 0
      from analytics.alerts a join analytics.alert_deliveries d using (alert_id) join channels c using (channel)
     where a.resolved_at is not null and d.event = 'opened' and not d.said_resolved
)
insert into analytics.alert_deliveries (alert_id, channel, event, number)
select alert_id, channel, event, number from wanted
    on conflict (alert_id, channel, event, number) do nothing

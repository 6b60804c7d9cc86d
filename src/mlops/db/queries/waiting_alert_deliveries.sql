-- by channel, how many messages wait, since when, and why the last attempt failed
select d.channel, count(*) as waiting, min(d.queued_at) as since, min(d.due_at) as due_at,
       (array_agg(d.problem order by d.due_at desc) filter (where d.problem is not null))[1] as problem
  from analytics.alert_deliveries d where d.sent_at is null group by d.channel order by d.channel

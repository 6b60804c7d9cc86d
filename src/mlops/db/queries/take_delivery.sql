-- keeps the id of a webhook's delivery, unless it is known; what is so old that its timestamp refuses it is forgotten
with forgotten as (delete from analytics.webhook_deliveries where received_at < now() - interval '1 hour')
insert into analytics.webhook_deliveries (delivery_id) values (:delivery_id) on conflict do nothing

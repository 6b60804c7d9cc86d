-- Webhook deliveries: which hints about the registry were taken, so that none is taken twice, even after a restart.

create table analytics.webhook_deliveries (
    delivery_id text        primary key check (length(delivery_id) between 1 and 200),
    received_at timestamptz not null default clock_timestamp()
);
comment on table  analytics.webhook_deliveries is 'Signed deliveries of MLflow''s webhooks of the last hour; a delivery that is here is refused as a replay.';
comment on column analytics.webhook_deliveries.delivery_id is 'X-MLflow-Delivery-Id, which the signature covers.';
create index webhook_deliveries_by_time on analytics.webhook_deliveries (received_at);

-- how much each customer does and where it is going
select * from analytics.customer_behavior_summary
 where (cast(:customer_ids as text[]) is null or customer_id = any(:customer_ids))
   and (cast(:metric_type as text) is null or metric_type = :metric_type)
 order by tenant_id, customer_id, metric_type

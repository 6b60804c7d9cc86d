-- notes that the registry's alias was moved as decided
update analytics.promotions set applied_at = clock_timestamp() where promotion_id = :promotion_id and applied_at is null

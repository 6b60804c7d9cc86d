drop table analytics.promotions;
drop function analytics.keep_promotions();

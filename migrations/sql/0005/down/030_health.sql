drop view analytics.model_health_parts;
drop view analytics.model_health;
drop function analytics.health_of_models;
drop function analytics.health_score;
drop function analytics.health_value;
drop table analytics.health_policy;

drop view analytics.feature_importance;
alter table analytics.model_feature_store drop column quality, drop column profile, drop column temporal_pattern, drop column importance;
drop table analytics.feature_profiles;

-- points the view of a feature set to its newest build
select analytics.show_feature_set(:feature_set)

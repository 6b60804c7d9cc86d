-- the recorded definitions of some features
select name, definition_sha256, definition from analytics.model_feature_store where definition_sha256 = any(:digests)

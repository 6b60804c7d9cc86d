-- every version of a feature, oldest first
select name, version, definition_sha256, definition, created_at from analytics.model_feature_store where name = :name order by version

-- the version of a feature with this definition
select version from analytics.model_feature_store where name = :name and definition_sha256 = :definition_sha256

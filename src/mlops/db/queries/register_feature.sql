-- adds a feature definition as the next version of its name, unless this very definition is there
insert into analytics.model_feature_store
    (name, version, definition_sha256, definition, dtype, entity, granularity, source_metric_types, transformation, owner, description)
select :name,
       coalesce((select max(version) from analytics.model_feature_store where name = :name), 0) + 1,
       :definition_sha256, :definition, :dtype, :entity, :granularity, :source_metric_types, :transformation, :owner, :description
on conflict (name, definition_sha256) do nothing

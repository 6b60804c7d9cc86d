-- notes that the mirror now equals the registry
update analytics.registry_mirror set registry = :registry, address = :address, how = :how, seconds = :seconds, synced_at = :at,
       adopted_at = case when registry = :registry then adopted_at else :at end, failed_at = null, failure = null,
       (models, versions, aliases) = (
           select (select count(*) from analytics.registered_models where deleted_at is null),
                  (select count(*) from analytics.model_versions where deleted_at is null),
                  (select count(*) from analytics.model_aliases where valid_to is null))
returning models, versions, aliases

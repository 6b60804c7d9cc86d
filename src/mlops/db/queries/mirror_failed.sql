-- notes why the mirror could not be made equal to the registry
update analytics.registry_mirror set failed_at = clock_timestamp(), failure = :failure

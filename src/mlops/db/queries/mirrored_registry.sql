-- which registry the mirror follows, and whether it holds anything of it
select registry, address, synced_at, exists (select from analytics.registered_models) as filled from analytics.registry_mirror

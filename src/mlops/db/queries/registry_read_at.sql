-- the time that history of this sync is dated to: after everything was read, and never before an earlier sync
select greatest(clock_timestamp(), synced_at) from analytics.registry_mirror

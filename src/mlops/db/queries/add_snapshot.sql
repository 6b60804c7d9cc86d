-- keeps the Evidently snapshot of one week, the newest check's
insert into analytics.evidently_snapshots (version_id, as_of, snapshot) values (:version_id, :as_of, cast(:snapshot as jsonb))
    on conflict (version_id, as_of) do update set snapshot = excluded.snapshot

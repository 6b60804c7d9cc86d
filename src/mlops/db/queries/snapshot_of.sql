-- the Evidently snapshot of one check, as text
select snapshot::text from analytics.evidently_snapshots where version_id = :version_id and as_of = :as_of

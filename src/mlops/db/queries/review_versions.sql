-- the versions of a model that were known at :as_of, the newest first
select version, kind, as_of as known_at, trained_from, trained_to, created_at as registered_at,
       (metrics ->> 'wape')::float8 as wape
  from analytics.model_versions
 where model_id = :model_id
   and case when :replayed then coalesce(as_of, created_at) else created_at end <= :as_of
   and (deleted_at is null or (not :replayed and deleted_at > :as_of))
 order by version desc

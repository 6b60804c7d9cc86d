-- the versions of models that were known at :as_of, the newest first
select model_id, version, kind, as_of as known_at, trained_from, trained_to, created_at as registered_at,
       (metrics ->> 'wape')::float8 as wape
  from analytics.model_versions
 where model_id = any(:model_ids)
   and case when model_id = any(:replayed) then coalesce(as_of, created_at) else created_at end <= :as_of
   and (deleted_at is null or (not model_id = any(:replayed) and deleted_at > :as_of))
 order by model_id, version desc

-- the smallest build that holds a window of a set as it was known at a time (the newest time if none is named)
select * from analytics.feature_builds
 where feature_set = :feature_set
   and (cast(:as_of as timestamptz) is null or as_of = :as_of)
   and (window_start is null or window_start <= :start)
   and (window_end is null or window_end >= :end)
   and (cast(:digests as text[]) is null
        or array(select f ->> 'definition_sha256' from jsonb_array_elements(features) with ordinality t (f, n) order by n) = :digests)
 order by as_of desc, rows, build_id
 limit 1

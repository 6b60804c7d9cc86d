-- the newest check of versions as known at :as_of: whether it judged, what it measured, and how a challenger compared with the champion
select distinct on (version_id) version_id, as_of, state, problem, measured, compared_with, comparison
  from analytics.model_checks
 where version_id = any(:version_ids) and as_of <= :as_of
 order by version_id, as_of desc

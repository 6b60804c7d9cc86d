-- how many observations of some series have been corrected since a time, and are read as they stood then
select count(*)
  from analytics.time_series_revisions
 where series_id = any(:series_ids) and observed_at between :first and :last and recorded_at <= :as_of and superseded_at > :as_of

-- forgets series that the set has no more
delete from analytics.online_features o
 where feature_set = :feature_set and not exists (select from online_arriving a where a.series_id = o.series_id)

-- the newest values of some series of a set, an array per column
select s.features as definitions, s.selection, s.as_of, v.*
  from analytics.online_feature_sets s,
       lateral (select array_send(array_agg(o.series_id order by o.series_id)) as series_id,
                       array_send(array_agg(o.observed_at order by o.series_id)) as observed_at,
                       array_send(array_agg(o.target_at order by o.series_id)) as target_at,
                       array_send(array_agg(o.features order by o.series_id)) as features
                  from analytics.online_features o
                 where o.feature_set = s.feature_set and o.series_id = any(:series_ids)) v
 where s.feature_set = :feature_set

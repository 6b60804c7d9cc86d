-- shows the newest profile of each of these features beside its definition
update analytics.model_feature_store f
   set quality = n.quality, profile = n.profile, temporal_pattern = n.temporal_pattern
  from (select distinct on (feature_id) feature_id, profile, temporal_pattern,
               quality || jsonb_build_object('as_of', as_of, 'window_start', window_start, 'window_end', window_end) as quality
          from analytics.feature_profiles
         where feature_id = any(:feature_ids)
         order by feature_id, as_of desc, window_end desc, window_start) n
 where n.feature_id = f.feature_id
   and (f.quality, f.profile, f.temporal_pattern) is distinct from (n.quality, n.profile, n.temporal_pattern)

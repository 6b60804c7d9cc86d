-- shows beside each definition how much the feature matters to the live model versions
update analytics.model_feature_store f
   set importance = n.importance
  from (select s.feature_id,
               coalesce(jsonb_object_agg(format('%s/%s', i.model, i.model_version),
                                         jsonb_build_object('share', i.share, 'rank', i.rank, 'kind', i.kind))
                        filter (where i.share is not null), '{}') as importance
          from analytics.model_feature_store s left join analytics.feature_importance i using (feature_id)
         group by s.feature_id) n
 where n.feature_id = f.feature_id and f.importance is distinct from n.importance

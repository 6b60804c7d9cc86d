-- how much features matter to the live model versions, champions first
select feature, feature_version, model, model_version, champion, share, rank, features, kind
  from analytics.feature_importance
 where (cast(:name as text) is null or feature = :name) and share is not null
 order by champion desc, model, model_version desc, rank, feature

-- the newest week for which a model was checked
select max(r.as_of) from analytics.retraining_recommendations r join analytics.model_versions v using (version_id) where v.name = :name

-- the newest time for which forecasts of a model were issued
select max(p.issued_at) from analytics.model_prediction_results p join analytics.model_versions v using (version_id) where v.name = :name

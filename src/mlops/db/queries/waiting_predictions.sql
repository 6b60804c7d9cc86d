-- predictions whose day has come but whose outcome is not known
select count(*) from analytics.model_prediction_results where outcome is null and target_at < :as_of

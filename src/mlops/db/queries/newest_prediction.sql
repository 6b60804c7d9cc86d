-- the newest stored prediction
select max(prediction_id) from analytics.model_prediction_results

-- keeps retention from dropping months of predictions until the end of the transaction
lock table only analytics.model_prediction_results in row exclusive mode

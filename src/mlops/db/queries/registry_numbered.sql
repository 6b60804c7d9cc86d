-- gives the models that the mirror never had a number
update pg_temp.seen_models set model_id = nextval(pg_get_serial_sequence('analytics.registered_models', 'model_id')) where model_id is null

-- makes MLflow's registry tables as MLflow made them: no trigger and no function of ours
drop function if exists mlops_registry_hint() cascade;

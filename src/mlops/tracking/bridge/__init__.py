"""The registry bridge: Postgres as an exact mirror of MLflow's registry."""

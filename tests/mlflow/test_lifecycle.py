"""One number through training, registry, mirror, serving and outcomes, on a real Postgres and a real MLflow store."""

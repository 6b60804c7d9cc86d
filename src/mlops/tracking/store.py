"""Where MLflow keeps its experiments, runs and models."""

import logging
import os
import warnings
from pathlib import Path

from mlflow.tracking.registry import UnsupportedModelRegistryStoreURIException

import mlflow
from mlflow import MlflowClient
from mlops.config import Settings
from mlops.db.failures import one_sentence
from mlops.db.snapshot import Snapshot, snapshot
from mlops.errors import DatabaseUnavailable, Misused, quoted
from mlops.tracking.artifacts.hosts import ArtifactHosts, guard
from mlops.tracking.experiment_page import page_tags

__all__ = ["Store", "open_store", "tracking_uri"]


class Store:
    """MLflow at one tracking URI; `client` is MLflow's own."""

    def __init__(self, uri: str, artifacts: Path) -> None:
        self.uri, self.artifacts = uri, artifacts
        self.client = MlflowClient(tracking_uri=uri, registry_uri=uri)

    def experiment(self, name: str) -> str:
        """The id of an experiment, made when it is new; its artifacts never depend on the current folder."""
        found = self.client.get_experiment_by_name(name)
        if found is not None:
            return str(found.experiment_id)
        local = not self.uri.startswith(("http://", "https://"))
        location = (self.artifacts / name).as_uri() if local else None
        try:
            return str(self.client.create_experiment(name, artifact_location=location, tags=page_tags(name)))
        except mlflow.exceptions.MlflowException:
            raced = self.client.get_experiment_by_name(name)  # another process was faster
            if raced is None:
                raise
            return str(raced.experiment_id)


def tracking_uri(settings: Settings, database_url: str) -> str:
    """MLFLOW_TRACKING_URI, or schema `mlflow` of the database."""
    if settings.mlflow_tracking_uri:
        return settings.mlflow_tracking_uri
    address = "postgresql+psycopg://" + database_url.partition("://")[2]
    path = "options=-csearch_path%3Dmlflow"
    if "options=" in address:
        return address.replace("options=", path + "%20", 1)
    return address + ("&" if "?" in address else "?") + path


def open_store(settings: Settings, database_url: str) -> Store:
    """The store of these settings, made when it is new; MLflow's fluent functions use it from here on."""
    os.environ.setdefault("MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR", "false")
    os.environ.setdefault("MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT", "true")  # there one JSON document may stand alone
    for name in ("mlflow", "alembic", "psycopg"):
        logging.getLogger(name).setLevel(logging.ERROR)
    logging.getLogger("mlflow.store.db.utils").setLevel(logging.CRITICAL)  # it logs with traceback what it then raises
    uri, made = tracking_uri(settings, database_url), False
    if uri.startswith("postgres"):
        with snapshot(uri) as registry:  # MLflow tries for a hundred seconds and then speaks in SQLAlchemy's words
            made = _is_made(registry)
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    guard(ArtifactHosts.of(settings.artifact_hosts, uri))
    try:
        if not made:
            _make_tables(uri, settings.artifacts)
        store = Store(uri, settings.artifacts)
        store.client.search_experiments(max_results=1)
    except UnsupportedModelRegistryStoreURIException as error:
        raise Misused(
            f"MLFLOW_TRACKING_URI is {quoted(uri)}, where MLflow keeps no model registry; expected an MLflow server"
            " (http://host:5000) or a database (postgresql://user@host/name)"
        ) from error
    except mlflow.exceptions.MlflowException as error:
        raise DatabaseUnavailable(f"can't open the MLflow store: {one_sentence(error)}") from error
    return store


def _is_made(registry: Snapshot) -> bool:
    """Whether MLflow has made its tables and, at last, an experiment; its client looks at their version itself."""
    return registry.one("registry_tables_known") == (True,) and registry.one("registry_identity") is not None


def _make_tables(uri: str, artifacts: Path) -> None:
    """Make the tables of a new store here, or its default experiment would write below the first caller's folder."""
    if not uri.startswith("postgresql"):
        return
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    artifacts.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's own models and SQLAlchemy's opinion of them
        SqlAlchemyStore(uri, artifacts.as_uri())  # type: ignore[no-untyped-call]

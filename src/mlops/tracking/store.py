"""Where MLflow keeps its experiments, runs and models, and how it shows them."""

import json
import logging
import os
import warnings
from pathlib import Path

from mlflow.tracking.registry import UnsupportedModelRegistryStoreURIException
from mlflow.utils.mlflow_tags import MLFLOW_EXPERIMENT_PRIMARY_METRIC_NAME, MLFLOW_RUN_NOTE

import mlflow
from mlflow import MlflowClient
from mlops.config import Settings
from mlops.db.failures import one_sentence
from mlops.db.snapshot import open_snapshot
from mlops.errors import DatabaseUnavailable, Misused, quoted
from mlops.tracking.artifacts.hosts import ArtifactHosts, guard

__all__ = ["VIEW", "Store", "open_store", "tracking_uri"]

VIEW = "accuracy"
"""The name of the saved view, and its key in an address: `?viewStateShareKey=accuracy`."""
COLUMNS = {
    "attributes.`Run Name`": 310,
    "params.`kind`": 100,
    "metrics.`wape`": 100,
    "metrics.`wape_naive`": 100,
    "metrics.`coverage_80`": 100,
    "params.`as_of`": 120,
    "params.`metric_type`": 150,
    "attributes.`Models`": 130,
}
"""The columns of the view in their order, as MLflow's page names them, and their widths in pixels."""
MADE_AT = 1_767_225_600_000  # 2026-01-01, ms: MLflow sorts views by it, and the same experiment gets the same tags
NOTE = """Runs of `{name}` by mlops. **Views → accuracy** shows each run's kind, its WAPE beside that of the seasonal
naive (`wape_naive`) and how many outcomes lay inside the 80 % interval (`coverage_80`). Filter by tags such as
`tags.mlops.kind = "auto"`, `tags.mlops.metric_type`, `tags.mlops.trigger = "recommendation"`."""


class Store:
    """MLflow at one tracking URI; `client` is MLflow's own."""

    def __init__(self, uri: str, artifacts: Path) -> None:
        self.uri, self.artifacts = uri, artifacts
        self.client = MlflowClient(tracking_uri=uri, registry_uri=uri)

    def experiment(self, name: str) -> str:
        """The id of an experiment, made when it is new; its artifacts never depend on the current folder."""
        experiment = self.client.get_experiment_by_name(name)
        if experiment is not None:
            return str(experiment.experiment_id)
        local = not self.uri.startswith(("http://", "https://"))
        location = (self.artifacts / name).as_uri() if local else None
        try:
            return str(self.client.create_experiment(name, artifact_location=location, tags=_page_tags(name)))
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
        with open_snapshot(uri) as registry:  # MLflow tries for a hundred seconds and then speaks in SQLAlchemy's words
            # MLflow has made its tables and, at last, an experiment; its client looks at their version itself
            known = registry.one("registry_tables_known") == (True,)
            made = known and registry.one("registry_identity") is not None
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


def _make_tables(uri: str, artifacts: Path) -> None:
    """Make the tables of a new store here, or its default experiment would write below the first caller's folder."""
    if not uri.startswith("postgresql"):
        return
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    artifacts.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MLflow's own models and SQLAlchemy's opinion of them
        SqlAlchemyStore(uri, artifacts.as_uri())  # type: ignore[no-untyped-call]


def _page_tags(name: str) -> dict[str, str]:
    """The tags by which MLflow shows a new experiment as training of models, with a description and a view of its runs.

    MLflow has no default columns that a server could set; it keeps saved views as tags of the experiment, in the state
    of its own page, and offers them under *Views*.
    """
    state = {"selectedColumns": list(COLUMNS), "columnOrder": list(COLUMNS), "columnWidths": COLUMNS}
    view = {"name": VIEW, "createdAt": MADE_AT, "updatedAt": MADE_AT, "state": json.dumps(state)}
    return {
        MLFLOW_RUN_NOTE: NOTE.format(name=name),
        MLFLOW_EXPERIMENT_PRIMARY_METRIC_NAME: "wape",
        "mlflow.experimentKind": "custom_model_development",
        f"mlflow.sharedViewState.{VIEW}": json.dumps(view),
    }

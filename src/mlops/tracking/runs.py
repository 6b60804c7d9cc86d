"""Runs: what a training leaves in MLflow, and how it is read back."""

import hashlib
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version as installed
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.models.signature import infer_signature
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

import mlflow
from mlops.domain.canonical import one_line
from mlops.domain.lineage import Lineage
from mlops.errors import NothingToDo, Refused
from mlops.forecasting.base import Forecaster
from mlops.tracking import pyfunc
from mlops.tracking.checked import digests
from mlops.tracking.dataset import log_dataset
from mlops.tracking.lineage import declare
from mlops.tracking.registry import fail_run
from mlops.tracking.store import Store

__all__ = ["Logged", "ReportRecord", "RunRecord", "log_report", "log_run", "read_table"]

SHOWN_ROWS = 5_000  # of a table that MLflow's page shows; larger ones are kept as Parquet only
CODE = Path(pyfunc.__file__)
MODEL_REQUIREMENTS = ("mlops", "numpy", "pandas", "pyarrow", "lightgbm", "prophet", "holidays")


@dataclass(frozen=True)
class RunRecord:
    """Everything about a training that is worth keeping: it becomes one MLflow run.

    `lineage` are arguments of `declare`, apart from what the model itself says; `training` are files that travel in
    the model.
    """

    experiment: str
    forecaster: Forecaster
    lineage: Mapping[str, Any]
    params: Mapping[str, Any]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    training: Mapping[str, bytes] = field(default_factory=dict)


@dataclass(frozen=True)
class Logged:
    """A run, its model, the lineage that the model carries, and what else will be held against it.

    `files` are digests of the whole model as it was on this machine, before any store had it; `metrics` what was
    measured.
    """

    run_id: str
    model_uri: str
    lineage: Lineage
    files: Mapping[str, str]
    metrics: Mapping[str, float]


@dataclass(frozen=True)
class ReportRecord:
    """A comparison of models that keeps none of them: it becomes one MLflow run with tables and pictures."""

    experiment: str
    name: str
    params: Mapping[str, Any]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)


def log_run(store: Store, record: RunRecord) -> Logged:
    """Log a run with its training data's digest and its model, which carries the lineage."""
    with _run(store, record.experiment) as run, tempfile.TemporaryDirectory() as name:
        folder, signature = Path(name), _signature(record.forecaster)
        _write_files(record, folder)
        files = _of_each({CODE.name: CODE.read_bytes()}) | digests(folder)
        tables = {name: _parquet(table) for name, table in record.tables.items()}
        lineage = declare(signature, files=files, tables=_of_each(tables), **record.lineage)
        mlflow.set_tags(dict(record.tags) | lineage.tags())
        mlflow.log_params({name: value for name, value in record.params.items() if name not in run.data.params})
        metrics = {name: float(value) for name, value in record.metrics.items() if value == value}
        mlflow.log_metrics(metrics)
        mlflow.log_text(lineage.to_json(), "lineage.json")
        log_dataset(record.experiment, lineage)
        _log_files({f"{name}.parquet": content for name, content in tables.items()})
        model_uri, whole = _log_model(record, folder, signature, lineage)
        return Logged(run.info.run_id, model_uri, lineage, whole, metrics)


def log_report(store: Store, record: ReportRecord) -> str:
    """Log a report; its run's id. A table becomes NAME.parquet and, for MLflow's page, NAME.json."""
    with _run(store, record.experiment) as run:
        mlflow.set_tags(dict(record.tags) | {"mlflow.runName": record.name})
        mlflow.log_params({name: value for name, value in record.params.items() if name not in run.data.params})
        mlflow.log_metrics({name: value for name, value in record.metrics.items() if value == value})
        for name, table in record.tables.items():
            if 0 < len(table) <= SHOWN_ROWS:
                mlflow.log_table(_plain(table), f"{name}.json")
        _log_files({f"{name}.parquet": _parquet(table) for name, table in record.tables.items()} | dict(record.files))
        return str(run.info.run_id)


def read_table(store: Store, run_id: str, name: str, *, lineage: Mapping[str, Any] | None = None) -> pd.DataFrame:
    """A table that `log_run` kept with its run; NothingToDo when it is gone.

    With the lineage of the version that the run made, Refused when the table is not the one that was written then.
    Versions of before tables had a digest are taken as they are.
    """
    content = _download(store, run_id, name)
    said, found = ((lineage or {}).get("tables") or {}).get(name), hashlib.sha256(content).hexdigest()
    if said not in (None, found):
        raise Refused(
            f"the table {name!r} of run {run_id} is not the one that the training wrote: its SHA-256 is {found[:12]}…,"
            f" the lineage says {said[:12]}…"
        )
    return pd.read_parquet(BytesIO(content))


def _download(store: Store, run_id: str, name: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        try:
            path = store.client.download_artifacts(run_id, f"{name}.parquet", folder)
        except (MlflowException, OSError) as error:
            raise NothingToDo(f"the table {name!r} of run {run_id} is gone: {str(error).splitlines()[0]}") from error
        return Path(path).read_bytes()


@contextmanager
def _run(store: Store, experiment: str) -> Iterator[mlflow.ActiveRun]:
    """The run that `mlflow run` has begun for us, else a new one; what breaks it off is told by its tags."""
    begun = os.environ.get("MLFLOW_RUN_ID")
    with mlflow.start_run(run_id=begun or None, experiment_id=None if begun else store.experiment(experiment)) as run:
        try:
            yield run
        except Exception as error:
            fail_run(store, run.info.run_id, f"{type(error).__name__}: {one_line(str(error))}")
            raise


def _log_files(files: Mapping[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        mlflow.log_artifacts(folder)


def _of_each(contents: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}


def _parquet(table: pd.DataFrame) -> bytes:
    return bytes(table.to_parquet(index=False))


def _plain(table: pd.DataFrame) -> pd.DataFrame:
    """A table whose times are text, as MLflow's JSON wants them."""
    times = table.select_dtypes("datetime").columns
    return table.assign(**{name: table[name].dt.strftime("%Y-%m-%d %H:%M") for name in times})


def _write_files(record: RunRecord, folder: Path) -> None:
    """The forecaster and the record of its training, as two folders."""
    record.forecaster.save(folder / "forecaster")
    (folder / "training").mkdir()
    for name, content in record.training.items():
        (folder / "training" / name).write_bytes(content)


def _one_step(forecaster: Forecaster) -> pd.DataFrame:
    """Some forecast; with covariates that of the newest step, for which they are known."""
    if not forecaster.covariates:
        return forecaster.predict(1)
    known = forecaster.remembered
    newest = known["ds"].where(known["y"].notna()).groupby(known["series_id"]).transform("max")
    return forecaster.predict(1, history=known.assign(y=known["y"].mask(known["ds"] >= newest)))


class _Keeping:
    """What MLflow takes for a flavour: it saves as pyfunc does, and keeps the digests of what was saved."""

    def __init__(self) -> None:
        self.files: dict[str, str] = {}

    def save_model(self, *, path: str, validate_serving_input: bool, **saved: Any) -> None:
        """Save into a folder; that the input is not served once more is what keeps MLflow from rewriting a file."""
        assert not validate_serving_input
        mlflow.pyfunc.save_model(path=path, **saved)
        self.files = digests(Path(path))


def _log_model(
    record: RunRecord, folder: Path, signature: ModelSignature, lineage: Lineage
) -> tuple[str, dict[str, str]]:
    """The URI of the model in the store, and the digests of its files as they were before they went there."""
    keeping = _Keeping()
    logged = Model.log(
        None,
        keeping,
        name="model",
        flavor_name="pyfunc.ModelFromCode",
        validate_serving_input=False,
        python_model=str(CODE),
        artifacts={path.name: str(path) for path in sorted(folder.iterdir()) if any(path.iterdir())},
        signature=signature,
        input_example=(
            pd.DataFrame({"series_id": record.forecaster.known[:2]}),
            {"horizon": min(7, record.forecaster.horizon)},
        ),
        metadata=lineage.metadata(),
        pip_requirements=[f"{name}=={installed(name)}" for name in MODEL_REQUIREMENTS],
    )
    return str(logged.model_uri), keeping.files


def _signature(forecaster: Forecaster) -> ModelSignature:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # whole-number ids are never missing
        output = infer_signature(None, _one_step(forecaster)).outputs
    series_id = next(column for column in output.inputs if column.name == "series_id")
    inputs = Schema(
        [
            ColSpec(series_id.type, "series_id"),
            ColSpec("datetime", "ds", required=False),
            ColSpec("double", "y", required=False),
            *([ColSpec("string", "time_zone", required=False)] if forecaster.local else []),
            *(ColSpec("double", name, required=False) for name in forecaster.covariates),
        ]
    )
    params = ParamSchema([ParamSpec("horizon", "long", forecaster.horizon), ParamSpec("decompose", "boolean", False)])
    return ModelSignature(inputs=inputs, outputs=output, params=params)

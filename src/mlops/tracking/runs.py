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
from mlflow.models import ModelSignature
from mlflow.models.signature import infer_signature
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

import mlflow
from mlops.domain.canonical import one_line
from mlops.domain.lineage import Lineage
from mlops.errors import ModelNotFound, NothingToDo, Refused
from mlops.forecasting.base import Forecaster
from mlops.tracking import pyfunc
from mlops.tracking.dataset import log_dataset
from mlops.tracking.lineage import declare
from mlops.tracking.registry import ModelVersion, fail_run
from mlops.tracking.store import Store

__all__ = [
    "ARTIFACTS",
    "Logged",
    "ReportRecord",
    "RunRecord",
    "file_digests",
    "log_report",
    "log_run",
    "model_files",
    "read_table",
]

SHOWN_ROWS = 5_000  # of a table that MLflow's page shows; larger ones are kept as Parquet only
CODE = Path(pyfunc.__file__)
ARTIFACTS = "artifacts"  # MLflow's name for the files that a model is made of
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
    """A run, its model and the lineage that the model carries."""

    run_id: str
    model_uri: str
    lineage: Lineage


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
        files = _digests(CODE.parent, CODE.name) | _digests(folder, "**/*")
        tables = {name: _parquet(table) for name, table in record.tables.items()}
        lineage = declare(signature, files=files, tables=_of_each(tables), **record.lineage)
        mlflow.set_tags(dict(record.tags) | lineage.tags())
        mlflow.log_params({name: value for name, value in record.params.items() if name not in run.data.params})
        mlflow.log_metrics({name: value for name, value in record.metrics.items() if value == value})
        mlflow.log_text(lineage.to_json(), "lineage.json")
        log_dataset(record.experiment, lineage)
        _log_files({f"{name}.parquet": content for name, content in tables.items()})
        return Logged(run.info.run_id, _log_model(record, folder, signature, lineage), lineage)


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


def model_files(version: ModelVersion, folder: Path) -> Path:
    """Bring a version's model into a folder; where it lies there. Raises ModelNotFound when it can't be read."""
    try:
        return Path(mlflow.artifacts.download_artifacts(version.uri, dst_path=str(folder)))
    except (MlflowException, OSError) as error:
        raise ModelNotFound(f"{version.uri} is registered, but its files can't be read: {error}") from error


def file_digests(model: Path) -> dict[str, str]:
    """SHA-256 of the files that make a model's forecasts, as the lineage names them: its code, and what that reads."""
    return _digests(model, "*.py") | _digests(model / ARTIFACTS, "**/*")


def _digests(folder: Path, pattern: str) -> dict[str, str]:
    paths = sorted(path for path in folder.glob(pattern) if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


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


def _log_model(record: RunRecord, folder: Path, signature: ModelSignature, lineage: Lineage) -> str:
    logged = mlflow.pyfunc.log_model(
        name="model",
        python_model=str(CODE),
        artifacts={path.name: str(path) for path in sorted(folder.iterdir()) if any(path.iterdir())},
        signature=signature,
        input_example=(pd.DataFrame({"series_id": record.forecaster.known[:2]}), {"horizon": 7}),
        metadata=lineage.metadata(),
        pip_requirements=[f"{name}=={installed(name)}" for name in MODEL_REQUIREMENTS],
    )
    return str(logged.model_uri)


def _signature(forecaster: Forecaster) -> ModelSignature:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # whole-number ids are never missing
        output = infer_signature(None, forecaster.predict(1)).outputs
    series_id = next(column for column in output.inputs if column.name == "series_id")
    inputs = Schema(
        [
            ColSpec(series_id.type, "series_id"),
            ColSpec("datetime", "ds", required=False),
            ColSpec("double", "y", required=False),
        ]
    )
    params = ParamSchema([ParamSpec("horizon", "long", forecaster.horizon), ParamSpec("decompose", "boolean", False)])
    return ModelSignature(inputs=inputs, outputs=output, params=params)

"""Runs: what a training leaves in MLflow, and how it is read back."""

import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.metadata import version as installed
from pathlib import Path
from typing import Any

import pandas as pd
from mlflow.models import ModelSignature
from mlflow.models.signature import infer_signature
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema

import mlflow
from mlops.domain.features import Lineage, sha256
from mlops.forecasting.base import Forecaster
from mlops.tracking import pyfunc
from mlops.tracking.store import Store

__all__ = ["LINEAGE_TAG", "RunRecord", "log_run", "read_table"]

LINEAGE_TAG = "mlops.lineage_sha256"
MODEL_REQUIREMENTS = ("mlops", "numpy", "pandas", "pyarrow", "lightgbm", "prophet", "holidays")


@dataclass(frozen=True)
class RunRecord:
    """Everything about a training that is worth keeping: it becomes one MLflow run."""

    experiment: str
    forecaster: Forecaster
    lineage: Lineage
    params: Mapping[str, Any]
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)


def log_run(store: Store, record: RunRecord) -> tuple[str, str]:
    """Log a run with its model; (run id, model URI)."""
    with _run(store, record.experiment) as run:
        mlflow.set_tags(dict(record.tags) | {LINEAGE_TAG: sha256(record.lineage.to_json())})
        mlflow.log_params({name: value for name, value in record.params.items() if name not in run.data.params})
        mlflow.log_metrics({name: value for name, value in record.metrics.items() if value == value})
        mlflow.log_text(record.lineage.to_json(), "lineage.json")
        with tempfile.TemporaryDirectory() as folder:
            for name, table in record.tables.items():
                table.to_parquet(Path(folder) / f"{name}.parquet", index=False)
                mlflow.log_artifact(str(Path(folder) / f"{name}.parquet"))
        return run.info.run_id, _log_model(record)


def read_table(store: Store, run_id: str, name: str) -> pd.DataFrame:
    """A table that `log_run` kept with its run."""
    with tempfile.TemporaryDirectory() as folder:
        path = store.client.download_artifacts(run_id, f"{name}.parquet", folder)
        return pd.read_parquet(path)


@contextmanager
def _run(store: Store, experiment: str) -> Iterator[mlflow.ActiveRun]:
    """The run that `mlflow run` has begun for us, else a new one."""
    begun = os.environ.get("MLFLOW_RUN_ID")
    if begun:
        with mlflow.start_run(run_id=begun) as run:
            yield run
    else:
        with mlflow.start_run(experiment_id=store.experiment(experiment)) as run:
            yield run


def _log_model(record: RunRecord) -> str:
    with tempfile.TemporaryDirectory() as folder:
        record.forecaster.save(Path(folder) / "forecaster")
        logged = mlflow.pyfunc.log_model(
            name="model",
            python_model=pyfunc.__file__,
            artifacts={"forecaster": str(Path(folder) / "forecaster")},
            signature=_signature(record.forecaster),
            input_example=(pd.DataFrame({"series_id": record.forecaster.known[:2]}), {"horizon": 7}),
            metadata={"feature_lineage": record.lineage.to_json()},
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
    params = ParamSchema([ParamSpec("horizon", "long", forecaster.horizon)])
    return ModelSignature(inputs=inputs, outputs=output, params=params)

"""Runs: what a training leaves in MLflow, and how it is read back.

What people look at in MLflow's pages is a name, a description in Markdown, tables as JSON and pages as HTML; what
programs read again is Parquet, which those pages can't show.
"""

import hashlib
import json
import os
import tempfile
import time
import warnings
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version as installed
from io import BytesIO
from pathlib import Path
from typing import Any, cast

import pandas as pd
from mlflow.entities import Metric, Param, Run, RunTag
from mlflow.exceptions import MlflowException
from mlflow.models import Model, ModelSignature
from mlflow.models.signature import infer_signature
from mlflow.tracking.context.registry import resolve_tags
from mlflow.types import ColSpec, ParamSchema, ParamSpec, Schema
from mlflow.types.schema import AnyType
from mlflow.utils.mlflow_tags import MLFLOW_LOGGED_ARTIFACTS, MLFLOW_RUN_NAME, MLFLOW_RUN_NOTE

import mlflow
from mlops.domain.canonical import Parameters, one_line
from mlops.domain.forecasts import LEVELS
from mlops.domain.lineage import Lineage, LineageDocument
from mlops.errors import NothingToDo, Refused
from mlops.forecasting.base import Forecaster
from mlops.tracking import pyfunc
from mlops.tracking.artifacts.checked import digests
from mlops.tracking.dataset import DIGEST_DIGITS, dataset_input
from mlops.tracking.lineage import Declaration, declare_lineage
from mlops.tracking.registry import fail_run
from mlops.tracking.store import Store

__all__ = [
    "CHECKS",
    "Logged",
    "Page",
    "ReportRecord",
    "RunRecord",
    "attach_check",
    "log_report",
    "log_run",
    "read_run_table",
]

CHECKS = "monitoring/evidently"
"""The folder of a run's artifacts with a snapshot per day on which its model was checked."""
SHOWN_ROWS = 5_000  # of a table that MLflow's page shows; larger ones are kept as Parquet only
CODE = Path(pyfunc.__file__)
MODEL_REQUIREMENTS = ("mlops", "numpy", "pandas", "pyarrow", "lightgbm", "prophet", "holidays")


@dataclass(frozen=True)
class Page:
    """What MLflow's pages say of a run: its name, since when it ran, and a description in Markdown.

    `use` is said of the version that comes of it, too: how to use {uri}.
    """

    name: str
    began_at: datetime
    description: str
    use: str = ""


@dataclass(frozen=True)
class RunRecord:
    """Everything about a training that is worth keeping: it becomes one MLflow run.

    `lineage` is what the training declares; `training` are files that travel in
    the model. `tables` are read by programs (NAME.parquet), `shown` by people (NAME.json), and so are `files`. `names`
    are what people call the series, by their ids.
    """

    experiment: str
    page: Page
    forecaster: Forecaster
    lineage: Declaration
    params: Parameters
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    shown: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    training: Mapping[str, bytes] = field(default_factory=dict)
    names: Mapping[Any, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Logged:
    """A run, its model, the lineage that the model carries, and what else will be held against it.

    `files` are digests of the whole model as it was on this machine, before any store had it; `metrics` what was
    measured; `description` is Markdown for whoever looks at the version.
    """

    run_id: str
    model_uri: str
    lineage: Lineage
    files: Mapping[str, str]
    metrics: Mapping[str, float]
    description: str = ""


@dataclass(frozen=True)
class ReportRecord:
    """A comparison of models that keeps none of them: it becomes one MLflow run with tables and pictures.

    `tables` are read by programs (NAME.parquet), `shown` by people (NAME.json), and so are `files`.
    """

    experiment: str
    page: Page
    params: Parameters
    metrics: Mapping[str, float]
    tags: Mapping[str, str]
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    shown: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)


def log_run(store: Store, record: RunRecord) -> Logged:
    """Log a run with its training data's digest and its model, which carries the lineage.

    The metrics are logged last: MLflow's pages show them with the model and the data only when they name both.
    """
    with _run(store, record.experiment, record.page) as run, tempfile.TemporaryDirectory() as name:
        folder, signature = Path(name), _signature(record.forecaster)
        _write_files(record, folder)
        files = _of_each({CODE.name: CODE.read_bytes()}) | digests(folder)
        tables = {name: _parquet(table) for name, table in record.tables.items()}
        lineage = declare_lineage(signature, files=files, tables=_of_each(tables), **record.lineage)
        shown, tags = _shown(record.shown), {**record.tags, **lineage.tags()}
        _log_facts(store, run, record.params, tags | _listed(shown))
        store.client.log_inputs(run.info.run_id, [dataset_input(record.experiment, lineage)])
        kept = {f"{name}.parquet": content for name, content in tables.items()}
        _log_files(store, run, {"lineage.json": lineage.to_json().encode()} | kept | shown | dict(record.files))
        model_id, model_uri, whole = _log_model(store, run, record, folder, signature, lineage)
        metrics = {name: float(value) for name, value in record.metrics.items() if value == value}
        about = {"dataset_name": record.experiment, "dataset_digest": lineage.content_sha256[:DIGEST_DIGITS]}
        _log_metrics(store, run, metrics, model_id=model_id, **about)
        description = f"{record.page.description}\n\n{record.page.use}"
        return Logged(run.info.run_id, model_uri, lineage, whole, metrics, description)


def log_report(store: Store, record: ReportRecord) -> str:
    """Log a report; its run's id."""
    with _run(store, record.experiment, record.page) as run:
        shown = _shown(record.shown)
        _log_facts(store, run, record.params, dict(record.tags) | _listed(shown))
        _log_metrics(store, run, {name: value for name, value in record.metrics.items() if value == value})
        kept = {f"{name}.parquet": _parquet(table) for name, table in record.tables.items()}
        _log_files(store, run, kept | shown | dict(record.files))
        return str(run.info.run_id)


def read_run_table(store: Store, run_id: str, name: str, *, lineage: LineageDocument | None = None) -> pd.DataFrame:
    """A table that `log_run` kept with its run; NothingToDo when it is gone.

    With the lineage of the version that the run made, Refused when the table is not the one that was written then.
    Versions of before tables had a digest are taken as they are.
    """
    with tempfile.TemporaryDirectory() as folder:
        try:
            path = store.client.download_artifacts(run_id, f"{name}.parquet", folder)
        except (MlflowException, OSError) as error:
            raise NothingToDo(f"the table {name!r} of run {run_id} is gone: {str(error).splitlines()[0]}") from error
        content = Path(path).read_bytes()
    recorded = None if lineage is None else lineage.get("tables", {}).get(name)
    sha256 = hashlib.sha256(content).hexdigest()
    if recorded is not None and recorded != sha256:
        raise Refused(
            f"the table {name!r} of run {run_id} is not the one that the training wrote: its SHA-256 is {sha256[:12]}…,"
            f" the lineage says {recorded[:12]}…"
        )
    return pd.read_parquet(BytesIO(content))


def attach_check(store: Store, run_id: str | None, as_of: datetime, snapshot: str) -> str | None:
    """Keep a check's Evidently snapshot with the model's run, as monitoring/evidently/DATE.json (UTC).

    Why it couldn't be kept, or None: a run may be deleted, or its artifacts out of reach, and the check stands without
    it. The same check again, or a later one of the same day, takes the file's place.
    """
    try:
        if run_id is None:
            return "the version names no run"
        store.client.log_text(run_id, snapshot, f"{CHECKS}/{as_of.astimezone(UTC):%Y-%m-%d}.json")
    except (MlflowException, OSError) as error:
        return f"run {run_id}: {str(error).splitlines()[0]}"
    return None


@contextmanager
def _run(store: Store, experiment: str, page: Page) -> Iterator[Run]:
    """The run that `mlflow run` has begun for us, else a new one; what breaks it off is kept in its tags.

    It is never MLflow's active run: which run and experiment are active is for whoever calls us to say.
    """
    about = {MLFLOW_RUN_NAME: page.name, MLFLOW_RUN_NOTE: page.description}
    begun = os.environ.get("MLFLOW_RUN_ID")
    if begun:
        run = store.client.get_run(begun)
        store.client.log_batch(begun, tags=_tags(about))
    else:
        run = store.client.create_run(
            store.experiment(experiment),
            start_time=int(page.began_at.timestamp() * 1000),
            tags=resolve_tags(about),
            run_name=page.name,
        )
    try:
        yield run
    except BaseException as error:
        fail_run(store, run.info.run_id, f"{type(error).__name__}: {one_line(str(error))}")
        raise
    store.client.set_terminated(run.info.run_id)


def _log_facts(store: Store, run: Run, params: Parameters, tags: Mapping[str, str]) -> None:
    """Parameters, but for those that `mlflow run` has set, and tags."""
    new = [
        Param(name, str(value)) for name, value in params.items() if value is not None and name not in run.data.params
    ]
    store.client.log_batch(run.info.run_id, params=new, tags=_tags(tags))


def _log_metrics(store: Store, run: Run, metrics: Mapping[str, float], **about: str) -> None:
    at = int(time.time() * 1000)
    named = [Metric(name, float(value), at, 0, run_id=run.info.run_id, **about) for name, value in metrics.items()]
    store.client.log_batch(run.info.run_id, metrics=named)


def _tags(tags: Mapping[str, str]) -> list[RunTag]:
    return [RunTag(name, str(value)) for name, value in tags.items()]


def _shown(tables: Mapping[str, pd.DataFrame]) -> dict[str, bytes]:
    """NAME.json of each table that has rows, as MLflow's `log_table` writes it; NAME.parquet of one too long for it."""
    there = {name: table for name, table in tables.items() if len(table)}
    return {
        **{f"{name}.json": _json(table) for name, table in there.items() if len(table) <= SHOWN_ROWS},
        **{f"{name}.parquet": _parquet(table) for name, table in there.items() if len(table) > SHOWN_ROWS},
    }


def _json(table: pd.DataFrame) -> bytes:
    """A table whose times are text, as MLflow wants them."""
    times = table.select_dtypes("datetime").columns
    plain = table.assign(**{name: table[name].dt.strftime("%Y-%m-%d %H:%M") for name in times})
    return bytes(plain.to_json(orient="split", index=False, date_format="iso").encode())


def _listed(shown: Iterable[str]) -> dict[str, str]:
    """The tag by which MLflow's page knows that files are tables."""
    tables = [{"path": name, "type": "table"} for name in shown if name.endswith(".json")]
    return {MLFLOW_LOGGED_ARTIFACTS: json.dumps(tables)} if tables else {}


def _log_files(store: Store, run: Run, files: Mapping[str, bytes]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_bytes(content)
        store.client.log_artifacts(run.info.run_id, folder)


def _of_each(contents: Mapping[str, bytes]) -> dict[str, str]:
    return {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}


def _parquet(table: pd.DataFrame) -> bytes:
    return bytes(table.to_parquet(index=False))


def _write_files(record: RunRecord, folder: Path) -> None:
    """The forecaster and the record of its training, as two folders."""
    record.forecaster.save(folder / "forecaster")
    names = [(series, record.names[series]) for series in record.forecaster.known.tolist() if series in record.names]
    if any(str(series) != name for series, name in names):
        (folder / "forecaster" / pyfunc.NAMES).write_text(json.dumps(names), encoding="utf-8")
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
    store: Store, run: Run, record: RunRecord, folder: Path, signature: ModelSignature, lineage: Lineage
) -> tuple[str, str, dict[str, str]]:
    """The id and URI of the model in the store, and the digests of its files as they were before they went there."""
    keeping = _Keeping()
    made = store.client.create_logged_model(
        run.info.experiment_id,
        name=record.forecaster.kind,
        source_run_id=run.info.run_id,
        tags=resolve_tags({**record.tags, MLFLOW_RUN_NOTE: record.page.description}),
        params={name: str(value) for name, value in record.params.items() if value is not None},
    )
    logged = Model.log(
        None,
        keeping,
        run_id=run.info.run_id,
        model_id=made.model_id,
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
    return str(logged.model_id), str(logged.model_uri), keeping.files


def _signature(forecaster: Forecaster) -> ModelSignature:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # whole-number ids are never missing
        output = infer_signature(None, _one_step(forecaster)).outputs
    inputs = Schema(
        [
            ColSpec(cast("Any", AnyType)(), "series_id", required=False),  # a number or a text; it has no such type
            ColSpec("datetime", "ds", required=False),
            ColSpec("double", "y", required=False),
            *([ColSpec("string", "time_zone", required=False)] if forecaster.local else []),
            *(
                ColSpec("string" if name in forecaster.coding.levels else "double", name, required=False)
                for name in forecaster.covariates
            ),
            *(ColSpec("double", name, required=False) for name in forecaster.sources),
        ]
    )
    params = ParamSchema(
        [
            ParamSpec("horizon", "long", forecaster.horizon),
            ParamSpec("levels", "long", list(LEVELS), shape=(-1,)),
            ParamSpec("decompose", "boolean", False),
        ]
    )
    return ModelSignature(inputs=inputs, outputs=output, params=params)

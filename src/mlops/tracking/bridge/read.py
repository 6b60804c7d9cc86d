"""The registry, read whole: out of MLflow's own tables in one snapshot, or by its API, wherever it is.

The API's pages are offsets: when something is deleted between two pages, the next one begins too late and a live
version is never returned. So the models are read before the versions and again afterwards, until both readings agree.
Creating, deleting and renaming move the time of a model's last change, so no version came or went in between, and the
versions, which are ordered by their creation, were not shifted.
"""

import hashlib
import json
import math
import re
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar, Literal, TypedDict

import pandas as pd
from mlflow.entities import Run, ViewType
from mlflow.entities.model_registry import ModelVersion, RegisteredModel
from mlflow.exceptions import MlflowException

from mlflow import MlflowClient
from mlops.db import Transaction
from mlops.db.snapshot import Snapshot
from mlops.errors import DatabaseUnavailable, Refused

__all__ = ["ByApi", "ByQuery", "reachable"]

PAGE = 1000
"""Models, versions or experiments in one answer; chosen, not measured."""
RUNS = 100
"""Runs in one question; chosen, not measured: their ids make up a filter of 4 kB."""
LEAST_READINGS, PATIENCE_SECONDS = 3, 60.0
"""How often and how long is tried before a registry that changes all the time is refused; chosen, not measured."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
PASSWORD = re.compile(r"://[^/@\s]+@")
RUN_ID = re.compile(r"[A-Za-z0-9][\w-]*")


class SeenModel(TypedDict):
    """A row of the temporary table seen_models; `tags` and `aliases` are JSON, `created_at` is ISO 8601."""

    name: str
    created_at: str
    description: str | None
    tags: str
    aliases: str


class SeenVersion(TypedDict):
    """A row of the temporary table seen_versions; `tags` is JSON, `created_at` is ISO 8601."""

    name: str
    version: int
    created_at: str
    description: str | None
    stage: str | None
    status: str
    source: str | None
    run_id: str | None
    tags: str


class SeenRun(TypedDict):
    """A row of the temporary table seen_runs; params, metrics, tags and datasets are JSON, times ISO 8601."""

    run_id: str
    state: Literal["there", "deleted"]
    run_name: str | None
    run_user: str | None
    experiment: str | None
    run_began_at: str | None
    run_ended_at: str | None
    params: str
    metrics: str
    run_tags: str
    datasets: str


class SeenDataset(TypedDict):
    """A dataset that a run was logged with, as MLflow's table has it."""

    name: str
    digest: str
    source_type: str
    source: str
    tags: dict[str, str]


@dataclass(frozen=True, slots=True)
class ByQuery:
    """A registry whose tables can be reached."""

    tables: Snapshot
    how: ClassVar[Literal["sql"]] = "sql"

    def identity(self) -> tuple[str, int] | None:
        """The oldest experiment and when it was made, in ms."""
        row = self.tables.one("registry_identity")
        if row is None:
            return None
        experiment_id, creation_time = row
        return str(experiment_id), int(creation_time)

    def read(self, into: Transaction) -> None:
        """Fill the temporary tables seen_models, seen_versions and seen_runs."""
        self.tables.pipe("registry_models", into, "seen_models")
        self.tables.pipe("registry_versions", into, "seen_versions")
        self.tables.pipe("registry_runs", into, "seen_runs")


@dataclass(frozen=True, slots=True)
class ByApi:
    """A registry that only its API leads to."""

    client: MlflowClient
    how: ClassVar[Literal["api"]] = "api"

    def identity(self) -> tuple[str, int] | None:
        """The oldest experiment and when it was made, in ms."""
        oldest = self.client.search_experiments(
            view_type=ViewType.ALL, max_results=1, order_by=["creation_time ASC", "experiment_id ASC"]
        )
        return (str(oldest[0].experiment_id), int(oldest[0].creation_time or 0)) if oldest else None

    def read(self, into: Transaction) -> None:
        """Fill the temporary tables seen_models, seen_versions and seen_runs; Refused when the registry never rests."""
        begun, readings = time.monotonic(), 0
        while readings < LEAST_READINGS or time.monotonic() - begun < PATIENCE_SECONDS:
            readings += 1
            before = self._read_models(into)
            order = ["creation_timestamp ASC", "name ASC", "version_number ASC"]
            for page in _pages(self.client.search_model_versions, order_by=order):
                _copy(into, "seen_versions", [_version(version) for version in page])
            if self._digest() == before:
                self._read_runs(into)
                return
            into.run("empty_registry_tables")
        raise Refused(
            f"the registry changed during each of {readings} readings; nothing was written; sync again, or let the"
            " bridge reach the registry's own PostgreSQL tables, which it reads at one moment"
        )

    def _read_models(self, into: Transaction) -> str:
        digest = hashlib.sha256()
        for page in self._models():
            digest.update(_fingerprint(page))
            _copy(into, "seen_models", [_model(model) for model in page])
        return digest.hexdigest()

    def _digest(self) -> str:
        digest = hashlib.sha256()
        for page in self._models():
            digest.update(_fingerprint(page))
        return digest.hexdigest()

    def _models(self) -> Iterator[list[RegisteredModel]]:
        return _pages(self.client.search_registered_models, order_by=["name ASC"])

    def _read_runs(self, into: Transaction) -> None:
        wanted = [run_id for run_id in into.value("registry_run_ids") or () if RUN_ID.fullmatch(run_id)]
        if not wanted:
            return
        experiments: dict[str, str] = {}
        for page in _pages(self.client.search_experiments, view_type=ViewType.ALL, order_by=["experiment_id ASC"]):
            experiments |= {str(experiment.experiment_id): experiment.name for experiment in page}
        for begin in range(0, len(wanted), RUNS):
            some = wanted[begin : begin + RUNS]
            listed = ", ".join(f"'{run_id}'" for run_id in some)
            runs = self.client.search_runs(
                list(experiments), f"attributes.run_id IN ({listed})", ViewType.ALL, max_results=len(some)
            )
            _copy(into, "seen_runs", [_run(run, experiments) for run in runs])


@contextmanager
def reachable(address: str) -> Iterator[None]:
    """What MLflow raises because it can't answer becomes DatabaseUnavailable."""
    try:
        yield
    except (MlflowException, OSError) as error:
        cause = str(error).strip().splitlines() or [type(error).__name__]
        shown = PASSWORD.sub("://***@", cause[0])  # MLflow quotes the whole address
        raise DatabaseUnavailable(f"can't read the registry at {address}: {shown}; nothing was written") from error


def _pages(search: Callable[..., Any], **asked: Any) -> Iterator[list[Any]]:
    token = None
    while True:
        page = search(max_results=PAGE, page_token=token, **asked)
        if page:
            yield list(page)
        token = page.token
        if not token:
            return


def _copy(into: Transaction, table: str, rows: Sequence[SeenModel | SeenVersion | SeenRun]) -> None:
    if rows:
        into.copy(f"pg_temp.{table}", pd.DataFrame(rows, dtype=object))


def _fingerprint(page: Iterable[RegisteredModel]) -> bytes:
    return "".join(f"{sorted(_model(model).items())}{model.last_updated_timestamp}\n" for model in page).encode()


def _model(model: RegisteredModel) -> SeenModel:
    return {
        "name": model.name,
        "created_at": _time(model.creation_timestamp),
        "description": _text(model.description),
        "tags": _object(model.tags),
        "aliases": json.dumps({alias: int(version) for alias, version in sorted(model.aliases.items())}),
    }


def _version(version: ModelVersion) -> SeenVersion:
    return {
        "name": version.name,
        "version": int(version.version),
        "created_at": _time(version.creation_timestamp),
        "description": _text(version.description),
        "stage": version.current_stage,
        "status": version.status,
        "source": _text(version.source),
        "run_id": _text(version.run_id),
        "tags": _object(version.tags),
    }


def _run(run: Run, experiments: dict[str, str]) -> SeenRun:
    data = run.data
    return {
        "run_id": run.info.run_id,
        "state": "deleted" if run.info.lifecycle_stage == "deleted" else "there",
        "run_name": _text(run.info.run_name or data.tags.get("mlflow.runName")),
        "run_user": _text(run.info.user_id or data.tags.get("mlflow.user")),
        "experiment": _text(experiments.get(run.info.experiment_id)),
        "run_began_at": _time(run.info.start_time) if run.info.start_time else None,
        "run_ended_at": _time(run.info.end_time) if run.info.end_time else None,
        "params": _object(data.params),
        "metrics": json.dumps({_clean(name): value for name, value in data.metrics.items() if math.isfinite(value)}),
        "run_tags": _object(data.tags),
        "datasets": json.dumps(_datasets(run)),
    }


def _datasets(run: Run) -> list[SeenDataset]:
    inputs = run.inputs.dataset_inputs if run.inputs else ()
    datasets: list[SeenDataset] = [
        {
            "name": _clean(used.dataset.name),
            "digest": _clean(used.dataset.digest),
            "source_type": _clean(used.dataset.source_type),
            "source": _clean(used.dataset.source),
            "tags": {_clean(tag.key): _clean(tag.value or "") for tag in used.tags},
        }
        for used in inputs
    ]
    return sorted(datasets, key=lambda dataset: (dataset["name"], dataset["digest"]))


def _object(pairs: Mapping[str, str | None]) -> str:
    """A JSON object, the same text for the same pairs."""
    return json.dumps({_clean(name): _clean(value or "") for name, value in sorted(pairs.items())})


def _text(value: str | None) -> str | None:
    return _clean(value) if value else None


def _clean(text: str) -> str:
    """What PostgreSQL can hold: a NUL and half of a surrogate pair become the replacement character."""
    return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace").replace("\0", "\N{REPLACEMENT CHARACTER}")


def _time(milliseconds: int | None) -> str:
    return (EPOCH + timedelta(milliseconds=milliseconds or 0)).isoformat()

"""Forecasts by a registry URI, stored with their intervals before anybody sees them."""

import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pandas as pd

from mlops.db import Database
from mlops.domain.features import Selection
from mlops.errors import BadHorizon, ModelNotFound, NothingToDo, Refused
from mlops.features.build import history
from mlops.series.quality import usable
from mlops.tracking.bridge import sync
from mlops.tracking.registry import ModelVersion, load_model, resolve
from mlops.tracking.store import Store

__all__ = ["Issued", "predict"]

PREDICTIONS = "analytics.model_prediction_results"
LOADED: dict[tuple[str, str], Any] = {}


@dataclass(frozen=True)
class Issued:
    """Forecasts of one call: how many rows are new, and which series could not be served and why."""

    version: ModelVersion
    cutoff: datetime
    frame: pd.DataFrame
    stored: int
    refused: dict[int, str]
    request_id: str


def predict(database: Database, store: Store, uri: str, *, horizon: int | None = None, as_of: datetime) -> Issued:
    """Forecast every series of the model from what was known at `as_of` and store the forecasts.

    The first issue stands: the same version, series, cutoff and target is never written twice. Raises ModelNotFound,
    BadHorizon, NothingToDo (no series of the model has recent data), Refused (the model knows more than `as_of`).
    """
    version = resolve(store, uri)
    mirrored = _mirrored(database, store, version)
    _not_from_the_future(version, mirrored["as_of"], as_of)
    model, began = _model(store.uri, version), time.perf_counter()
    steps = _checked(horizon, model)
    observed, refused = _recent(database, mirrored, as_of)
    forecasts = model.predict(observed, params={"horizon": steps})
    request_id = uuid4().hex
    stamped = forecasts.assign(
        version_id=mirrored["version_id"],
        issued_at=as_of.astimezone(UTC).replace(tzinfo=None),
        horizon=forecasts.groupby("series_id").cumcount() + 1,
        execution_ms=(time.perf_counter() - began) * 1000,
        memory_mb=_memory_mb(),
        request_id=request_id,
    ).rename(columns={"ds": "target_at"})
    cutoff = forecasts["cutoff"].max().tz_localize("UTC").to_pydatetime()
    return Issued(version, cutoff, forecasts, _write(database, stamped), refused, request_id)


def _mirrored(database: Database, store: Store, version: ModelVersion) -> dict[str, Any]:
    """The version's row in the mirror; the bridge runs when it is not there yet."""
    for attempt in (1, 2):
        with database.transaction() as transaction:
            row = transaction.one("live_version", name=version.name, version=version.version)
        if row is not None:
            break
        if attempt == 1:
            sync(store, database)
    if row is None or row["lineage"] is None:
        why = row["lineage_problem"] if row else "it is not in the mirror"
        raise ModelNotFound(f"{version.uri} can't be served: {why}; register models with `mlops train`")
    return row


def _not_from_the_future(version: ModelVersion, knows: datetime, as_of: datetime) -> None:
    if knows > as_of:
        raise Refused(
            f"{version.uri} was trained on what was known at {knows:%Y-%m-%d %H:%M} UTC; a forecast as of"
            f" {as_of:%Y-%m-%d %H:%M} UTC by it would leak the future; use a version that is older"
        )


def _model(store_uri: str, version: ModelVersion) -> Any:
    """The loaded model; a version's files never change, so the newest few stay loaded."""
    key = (store_uri, version.source)
    if key not in LOADED:
        while len(LOADED) >= 4:
            LOADED.pop(next(iter(LOADED)))
        LOADED[key] = load_model(version)
    return LOADED[key]


def _checked(horizon: int | None, model: Any) -> int:
    """The horizon asked for, or the model's own; MLflow drops what it doesn't know, so we look ourselves."""
    most = int(model.metadata.get_params_schema().params[0].default)
    if horizon is None:
        return most
    if isinstance(horizon, bool) or not 1 <= horizon <= most:
        raise BadHorizon(horizon, most)
    return horizon


def _recent(database: Database, mirrored: dict[str, Any], as_of: datetime) -> tuple[pd.DataFrame, dict[int, str]]:
    """Usable history of the model's series, and the series that have none."""
    lineage = mirrored["lineage"]
    observed = history(database, Selection(**lineage["selection"]), as_of, series=lineage["series"])
    frame, excluded = usable(observed, end=pd.Timestamp(as_of).tz_convert("UTC").tz_localize(None), need=28)
    refused = {int(one.series_id): one.reason for one in excluded}
    refused |= dict.fromkeys(set(lineage["series"]) - set(observed["series_id"]), "no observation by this time")
    if frame.empty:
        raise NothingToDo(f"no series of {mirrored['name']} version {mirrored['version']} has usable data; {refused}")
    return frame, refused


def _write(database: Database, forecasts: pd.DataFrame) -> int:
    """Store what is new, in one transaction; how many rows that were."""
    with database.transaction() as transaction:
        transaction.value(
            "ensure_partitions",
            table=PREDICTIONS,
            first=forecasts["target_at"].min().to_pydatetime(),
            last=forecasts["target_at"].max().to_pydatetime(),
        )
        transaction.run("stage_predictions")
        transaction.copy("staged_predictions", forecasts)
        return transaction.run("store_predictions")


def _memory_mb() -> float:
    """Peak resident memory of this process."""
    import resource

    unit = 1 if os.uname().sysname == "Darwin" else 1024  # macOS counts bytes, Linux kibibytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20

"""Forecasts by a registry URI, stored with their intervals and components before anybody sees them."""

import json
import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np
import pandas as pd

from mlops.db import Database, Transaction
from mlops.errors import Misused
from mlops.forecasting.kind import COMPONENTS
from mlops.forecasting.totals.sums import Summed, with_totals
from mlops.series.totals import Totals, check_totals, totals_of
from mlops.serving.served import Served, served_model
from mlops.serving.stored import store_forecasts
from mlops.serving.totals import totals_to_store
from mlops.times import aware_utc
from mlops.tracking.registry import ModelVersion
from mlops.tracking.store import Store

__all__ = ["Issued", "predict"]

DIGITS = 6
"""Of the largest component, to which all of a forecast are rounded."""


@dataclass(frozen=True)
class Issued:
    """Forecasts of one call: how many rows are new, and which series could not be served and why.

    `frame` has `series_id, name, ds, cutoff, y_hat`, bounds and components (naive UTC, units of the series). `closed`
    counts the steps in which a series is never served: they are neither stored nor shown. Of a file nothing is stored.
    `totals` has the same columns without components, of totals and weeks (`forecasting.totals.sums`), and `parts`: how
    many series each sums. `stored` counts their rows, too.
    """

    version: ModelVersion
    cutoff: datetime
    frame: pd.DataFrame
    totals: pd.DataFrame
    stored: int
    closed: int
    refused: Mapping[Any, str]
    request_id: str


def predict(
    database: Database,
    store: Store,
    uri: str,
    *,
    horizon: int | None = None,
    as_of: datetime,
    decompose: bool = True,
    totals: Sequence[str] | None = None,
    file: Path | None = None,
) -> Issued:
    """Forecast every series of the model from what was known at `as_of` and store the forecasts.

    A model that was trained on a file forecasts the series of a `file`; these are in no database, so nothing is stored.

    With `decompose` each is stored with the components that sum to it, which costs a model of trees several times the
    forecast itself. `totals` names levels at which forecasts are added up, `week` for whole weeks (`domain.totals`);
    None means those that the model was trained with. The first issue stands: the same version, series, cutoff and
    target is never written twice. Raises what `served` and `totals_of` raise.
    """
    if file is not None and totals:
        raise Misused(
            "--totals adds up series of the database; with --file nothing is stored, so leave one of them out"
        )
    found, began = served_model(database, store, uri, horizon=horizon, as_of=as_of, file=file), time.perf_counter()
    asked = _totals(database, found, totals)
    steps, summed = _made(found, asked, decompose=decompose)
    steps = steps.assign(horizon=steps.groupby("series_id").cumcount() + 1)
    forecasts = steps[~steps["closed"]].drop(columns="closed").reset_index(drop=True)
    request_id = uuid4().hex
    common = {
        "version_id": found.version_id,
        "issued_at": as_of.astimezone(UTC).replace(tzinfo=None),
        "execution_ms": (time.perf_counter() - began) * 1000,
        "memory_mb": _memory_mb(),
        "request_id": request_id,
    }
    cutoff = aware_utc(steps["cutoff"].max())
    shown, closed = forecasts.drop(columns="horizon"), len(steps) - len(forecasts)
    shown.insert(1, "name", shown["series_id"].map(found.names))
    stored, of_totals = 0, pd.DataFrame()
    if file is None:
        _remember_service(database, found, as_of)
        with database.transaction() as transaction:
            rows = forecasts.assign(parts=pd.array([pd.NA] * len(forecasts), dtype="Int64"))
            if asked is not None and summed is not None:
                of_totals = totals_to_store(transaction, asked, found.version_id, summed)
                rows = pd.concat([rows, of_totals.astype({"parts": "Int64"})], ignore_index=True)
            stored = store_forecasts(transaction, _stamped(rows, common, decompose=decompose))
            of_totals = _named(transaction, of_totals)
    return Issued(found.version, cutoff, shown, of_totals, stored, closed, found.refused, request_id)


def _totals(database: Database, found: Served, asked: Sequence[str] | None) -> Totals | None:
    """The totals that are asked for, or that the model was trained with, of the series that are forecast."""
    lineage = found.lineage
    levels = check_totals(lineage["recipe"].get("totals", ()) if asked is None else asked)
    if not levels or found.file is not None:
        return None
    return totals_of(database, list(found.names), levels, lineage["selection"].get("labels") or {})


def _made(found: Served, asked: Totals | None, *, decompose: bool) -> tuple[pd.DataFrame, Summed | None]:
    """The forecasts of the series, and of their totals."""
    if asked is None:
        return found.forecaster.predict(found.steps, history=found.observed, decompose=decompose), None
    summed = with_totals(
        found.forecaster, found.steps, asked.members, weeks=asked.weeks, history=found.observed, decompose=decompose
    )
    return summed.series, summed


def _stamped(rows: pd.DataFrame, common: Mapping[str, Any], *, decompose: bool) -> pd.DataFrame:
    """The rows as they are stored: what all of one call have in common, and components as JSON."""
    stamped = rows.drop(columns=list(COMPONENTS), errors="ignore").assign(**common)
    if decompose:
        stamped["decomposition"] = _as_json(rows)
    return stamped.rename(columns={"ds": "target_at"})


def _named(transaction: Transaction, totals: pd.DataFrame) -> pd.DataFrame:
    """The totals as they are shown: with names, and without components."""
    if totals.empty:
        return totals
    ids = sorted(map(int, totals["series_id"].unique()))
    names = {row["series_id"]: row["name"] for row in transaction.rows("names_of_series", series_ids=ids)}
    found = totals.drop(columns=["horizon", *COMPONENTS], errors="ignore")
    bounds = [name for name in found.columns if name.startswith(("lo_", "hi_"))]
    found.insert(0, "name", found["series_id"].map(names))
    return found[["series_id", "name", "ds", "cutoff", "y_hat", *bounds, "parts"]]


def _as_json(forecasts: pd.DataFrame) -> list[str]:
    """Each row's components as a compact JSON object; they sum to its y_hat but for the last of DIGITS digits."""
    values = forecasts[list(COMPONENTS)].to_numpy(dtype=float)
    largest = np.abs(values).max(axis=1)
    decimals = DIGITS - 1 - np.floor(np.log10(np.where(largest > 0, largest, 1.0))).astype(int)
    for places in np.unique(decimals):
        rows = decimals == places
        values[rows] = np.round(values[rows], places) + 0.0  # a negative zero becomes zero
    return [json.dumps(dict(zip(COMPONENTS, row, strict=True)), separators=(",", ":")) for row in values.tolist()]


def _remember_service(database: Database, found: Served, as_of: datetime) -> None:
    """Keep when the series are not served, so that SQL can tell which forecasts nothing will ever judge."""
    rows = found.forecaster.service(history=found.observed).to_dict("records")
    with database.transaction() as transaction:
        transaction.run("set_service_calendar", document={"series": rows}, as_of=as_of)


def _memory_mb() -> float:
    """Peak resident memory of this process."""
    import resource

    unit = 1 if os.uname().sysname == "Darwin" else 1024  # macOS counts bytes, Linux kibibytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20

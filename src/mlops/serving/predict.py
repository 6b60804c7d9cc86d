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
from mlops.times import aware_utc
from mlops.tracking.registry import ModelVersion
from mlops.tracking.store import Store

__all__ = ["Issued", "predict"]

PREDICTIONS = "analytics.model_prediction_results"
DIGITS = 6
"""Of the largest component, to which all of a forecast are rounded."""


@dataclass(frozen=True, slots=True)
class WeeklySeries:
    """The series of the weekly totals of a daily one."""

    weeks_of: int
    series_id: int


@dataclass(frozen=True, slots=True)
class SeriesName:
    """A series and what people call it."""

    series_id: int
    name: str


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
    served, began = served_model(database, store, uri, horizon=horizon, as_of=as_of, file=file), time.perf_counter()
    asked = _totals(database, served, totals)
    steps, summed = _made(served, asked, decompose=decompose)
    steps = steps.assign(horizon=steps.groupby("series_id").cumcount() + 1)
    forecasts = steps[~steps["closed"]].drop(columns="closed").reset_index(drop=True)
    request_id = uuid4().hex
    common: dict[str, int | float | str | datetime] = {
        "version_id": served.version_id,
        "issued_at": as_of.astimezone(UTC).replace(tzinfo=None),
        "execution_ms": (time.perf_counter() - began) * 1000,
        "memory_mb": _memory_mb(),
        "request_id": request_id,
    }
    cutoff = aware_utc(steps["cutoff"].max())
    shown, closed = forecasts.drop(columns="horizon"), len(steps) - len(forecasts)
    shown.insert(1, "name", shown["series_id"].map(served.names))
    stored, of_totals = 0, pd.DataFrame()
    if file is None:
        _remember_service(database, served, as_of)
        with database.transaction() as transaction:
            rows = forecasts.assign(parts=pd.array([pd.NA] * len(forecasts), dtype="Int64"))
            if asked is not None and summed is not None:
                of_totals = _totals_to_store(transaction, asked, served.version_id, summed)
                rows = pd.concat([rows, of_totals.astype({"parts": "Int64"})], ignore_index=True)
            stored = _write(transaction, _stamped(rows, common, decompose=decompose))
            of_totals = _named(transaction, of_totals)
    return Issued(served.version, cutoff, shown, of_totals, stored, closed, served.refused, request_id)


def _totals(database: Database, served: Served, asked: Sequence[str] | None) -> Totals | None:
    """The totals that are asked for, or that the model was trained with, of the series that are forecast."""
    lineage = served.lineage
    levels = check_totals(lineage["recipe"].get("totals", ()) if asked is None else asked)
    if not levels or served.file is not None:
        return None
    return totals_of(database, list(served.names), levels, lineage["selection"].get("labels") or {})


def _made(served: Served, asked: Totals | None, *, decompose: bool) -> tuple[pd.DataFrame, Summed | None]:
    """The forecasts of the series, and of their totals."""
    if asked is None:
        return served.forecaster.predict(served.steps, history=served.observed, decompose=decompose), None
    summed = with_totals(
        served.forecaster, served.steps, asked.members, weeks=asked.weeks, history=served.observed, decompose=decompose
    )
    return summed.series, summed


def _totals_to_store(transaction: Transaction, totals: Totals, version_id: int, summed: Summed) -> pd.DataFrame:
    """The forecasts of totals and weeks with a `series_id` each; their series, and what was summed, are written."""
    ids = totals.ids(transaction)
    daily = summed.totals.assign(series_id=summed.totals["total"].map(ids)).drop(columns="total")
    if not daily.empty:
        members = totals.members[totals.members["series_id"].isin(summed.series["series_id"])]
        transaction.run(
            "store_forecast_parts",
            version_id=version_id,
            cutoff=aware_utc(daily["cutoff"].iloc[0]),
            totals=[ids[key] for key in members["total"]],
            parts=members["series_id"].tolist(),
        )
    if summed.weeks.empty:
        return daily
    days = summed.weeks["total"].map(lambda key: ids.get(key, key))
    asked = sorted(map(int, days.unique()))
    transaction.run("add_weekly_series", series_ids=asked)
    weekly_series = transaction.rows("weekly_series_of", of=WeeklySeries, series_ids=asked)
    of_days = {weekly.weeks_of: weekly.series_id for weekly in weekly_series}
    weekly = summed.weeks.assign(series_id=days.map(of_days)).drop(columns="total")
    return pd.concat([daily, weekly], ignore_index=True)


def _stamped(
    rows: pd.DataFrame, common: Mapping[str, int | float | str | datetime], *, decompose: bool
) -> pd.DataFrame:
    """The rows as they are stored: what all of one call have in common, and components as JSON."""
    stamped = rows.drop(columns=list(COMPONENTS), errors="ignore").assign(**common)
    if decompose:
        # components as a compact JSON object; they sum to y_hat but for the last of DIGITS digits
        values = rows[list(COMPONENTS)].to_numpy(dtype=float)
        largest = np.abs(values).max(axis=1)
        decimals = DIGITS - 1 - np.floor(np.log10(np.where(largest > 0, largest, 1.0))).astype(int)
        for places in np.unique(decimals):
            of_places = decimals == places
            values[of_places] = np.round(values[of_places], places) + 0.0  # a negative zero becomes zero
        stamped["decomposition"] = [
            json.dumps(dict(zip(COMPONENTS, row, strict=True)), separators=(",", ":")) for row in values.tolist()
        ]
    return stamped.rename(columns={"ds": "target_at"})


def _named(transaction: Transaction, totals: pd.DataFrame) -> pd.DataFrame:
    """The totals as they are shown: with names, and without components."""
    if totals.empty:
        return totals
    ids = sorted(map(int, totals["series_id"].unique()))
    series = transaction.rows("names_of_series", of=SeriesName, series_ids=ids)
    shown = totals.drop(columns=["horizon", *COMPONENTS], errors="ignore")
    bounds = [name for name in shown.columns if name.startswith(("lo_", "hi_"))]
    shown.insert(0, "name", shown["series_id"].map({called.series_id: called.name for called in series}))
    return shown[["series_id", "name", "ds", "cutoff", "y_hat", *bounds, "parts"]]


def _write(transaction: Transaction, forecasts: pd.DataFrame) -> int:
    """Store what is new; how many rows that were."""
    if forecasts.empty:
        return 0
    transaction.run("lock_prediction_table")
    transaction.value(
        "ensure_partitions",
        table=PREDICTIONS,
        first=forecasts["target_at"].min().to_pydatetime(),
        last=forecasts["target_at"].max().to_pydatetime(),
    )
    transaction.run("create_staged_predictions")
    transaction.copy("staged_predictions", forecasts)
    return transaction.run("store_predictions")


def _remember_service(database: Database, served: Served, as_of: datetime) -> None:
    """Keep when the series are not served, so that SQL can tell which forecasts nothing will ever judge."""
    rows = served.forecaster.service(history=served.observed).to_dict("records")
    with database.transaction() as transaction:
        transaction.run("set_service_calendar", document={"series": rows}, as_of=as_of)


def _memory_mb() -> float:
    """Peak resident memory of this process."""
    import resource

    unit = 1 if os.uname().sysname == "Darwin" else 1024  # macOS counts bytes, Linux kibibytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20

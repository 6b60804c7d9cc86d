"""Why a model forecasts what it does, and what it would forecast under other events; nothing is stored."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

import pandas as pd

from mlops.db import Database
from mlops.errors import BadInput
from mlops.forecasting.whatif import what_if
from mlops.panels.calendar import Event
from mlops.series.names import find
from mlops.serving.served import served_model
from mlops.times import aware_utc
from mlops.tracking.registry import ModelVersion
from mlops.tracking.store import Store

__all__ = ["Explanation", "Supposition", "explain", "suppose"]


@dataclass(frozen=True)
class Explanation:
    """What the sum of some forecasts is made of.

    `contributions` has a row per part, the largest first: part, component, contribution and share of the forecast; the
    contributions sum to `forecast`.
    """

    version: ModelVersion
    cutoff: datetime
    first: datetime
    last: datetime
    series: tuple[str, ...]
    forecast: float
    contributions: pd.DataFrame


@dataclass(frozen=True)
class Supposition:
    """Per series the sums of the forecasts under the model's own events and under others.

    `totals` has series_id, name, y_hat, y_hat_what_if and difference; `notes` say what had no effect.
    """

    version: ModelVersion
    cutoff: datetime
    totals: pd.DataFrame
    notes: tuple[str, ...]


def explain(
    database: Database,
    store: Store,
    uri: str,
    *,
    series: str | None = None,
    day: date | None = None,
    horizon: int | None = None,
    as_of: datetime,
    file: Path | None = None,
) -> Explanation:
    """The contributions to the forecasts of a series (its id or name; None: all) on a day (None: of the horizon).

    Raises what `served` raises, UnknownName for a series and BadInput for a day that is not forecast.
    """
    only = () if series is None or file is not None else (series,)
    served = served_model(database, store, uri, horizon=horizon, as_of=as_of, file=file, series=only)
    forecaster, known = served.forecaster, served.names
    chosen = list(known) if series is None else [find(series, known)]
    explained = forecaster.explain(served.steps, history=served.observed)
    rows = explained[explained["series_id"].isin(chosen)]
    if day is not None:
        on_day = explained["ds"].dt.normalize() == pd.Timestamp(day)
        if not on_day.any():
            first, last = explained["ds"].min(), explained["ds"].max()
            raise BadInput(f"{day} is not forecast; expected a day from {first:%Y-%m-%d} to {last:%Y-%m-%d}")
        rows = rows[on_day[rows.index]]
    sums = rows.iloc[:, 4:].sum()
    table = pd.DataFrame({"part": sums.index, "component": [forecaster.component(part) for part in sums.index]})
    forecast = float(rows["y_hat"].sum())
    table = table.assign(contribution=sums.to_numpy(), share=sums.to_numpy() / forecast if forecast else float("nan"))
    table = table.sort_values("contribution", key=abs, ascending=False, ignore_index=True, kind="stable")
    cutoff, first, last = (aware_utc(stamp) for stamp in (rows["cutoff"].max(), rows["ds"].min(), rows["ds"].max()))
    names = tuple(known[series_id] for series_id in chosen)
    return Explanation(served.version, cutoff, first, last, names, forecast, table)


def suppose(
    database: Database,
    store: Store,
    uri: str,
    events: Sequence[Event],
    *,
    horizon: int | None = None,
    as_of: datetime,
    file: Path | None = None,
    series: Sequence[str] = (),
) -> Supposition:
    """The model's forecasts of its series (or of some) beside those under `events`, as `what_if` makes them."""
    served = served_model(database, store, uri, horizon=horizon, as_of=as_of, file=file, series=series)
    frame = what_if(served.forecaster, served.steps, history=served.observed, events=events)
    totals = frame.groupby("series_id", as_index=False)[["y_hat", "y_hat_what_if", "difference"]].sum()
    totals.insert(1, "name", totals["series_id"].map(served.names))
    return Supposition(served.version, aware_utc(frame["cutoff"].max()), totals, tuple(frame.attrs["notes"]))

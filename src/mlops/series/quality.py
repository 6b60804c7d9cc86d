"""Which series are fit to learn from, and the quality of rows that are not stored. Pure."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from mlops.arrays import Ints, Times
from mlops.domain.granularity import GRANULARITIES
from mlops.domain.metric_types import MetricType
from mlops.series.scoring import WINDOW, Thresholds, assess

__all__ = ["Exclusion", "score", "usable"]

STALE = pd.Timedelta(days=14)
RECENT, MOST_OUTAGES = 180, 0.2


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A series that is not fit to learn from, and why."""

    series_id: int
    reason: str


def score(frame: pd.DataFrame, *, granularity: str | None = None) -> "pd.Series[float]":
    """The quality of rows `series_id, ds, y`: 0 for a flat line, 0.5 for a jump or beyond the robust range, else to 1.

    A row knows only the rows before it. Without a granularity it is told by the first stamps of each series; a column
    `time_zone` says whose clock hours follow (else UTC). When a row arrived is not known.
    """
    codes, _ = pd.factorize(frame["series_id"])
    order = np.lexsort((frame["ds"].to_numpy(), codes))
    series, at, y = codes[order], frame["ds"].to_numpy().astype("datetime64[us]")[order], frame["y"].to_numpy()[order]
    steps = _granularities(series, at)
    if granularity is not None:
        steps = [granularity] * len(steps)
    zones = None
    if "time_zone" in frame.columns:
        zones = (
            frame["time_zone"].to_numpy(dtype=object)[order][np.r_[True, np.diff(series) != 0][: len(series)]].tolist()
        )
    thresholds = Thresholds.of([MetricType("any", "any", "sum")] * len(steps), steps, zones)
    found = np.empty(len(frame))
    found[order] = assess(series, at, y.astype(np.float64), thresholds).quality
    return pd.Series(found, index=frame.index, name="quality_score")


def usable(
    frame: pd.DataFrame, granularity: str, *, end: pd.Timestamp, need: int | None = None
) -> tuple[pd.DataFrame, tuple[Exclusion, ...]]:
    """The rows up to `end` to learn from (an outage is missing, not zero), and the series left out with their reasons.

    A series needs so many usable observations (None: `Granularity.need`, as for a training). A `quality_score` in the
    frame counts where it is the lower one.
    """
    need = GRANULARITIES[granularity].need if need is None else need
    known = frame[(frame["ds"] <= end) & frame["y"].notna()].sort_values(["series_id", "ds"])
    scores = score(known, granularity=granularity)
    if "quality_score" in known.columns:
        scores = scores.clip(upper=known["quality_score"].astype("float64").fillna(1.0))
    good = scores > 0
    states = _states(known, good)
    reasons = [_reason(state, end, need) for state in states.itertuples()]
    names = states["series_id"].tolist()
    out = tuple(Exclusion(name, why) for name, why in zip(names, reasons, strict=True) if why)
    kept = good & ~known["series_id"].isin([series.series_id for series in out])
    return known[kept].reset_index(drop=True), out


def _granularities(series: Ints, at: Times) -> list[str]:
    """The longest granularity of which half a step is below the middle one of a series' first gaps; else daily."""
    known = [name for name, granularity in GRANULARITIES.items() if granularity.seconds or granularity.months]
    halves = [GRANULARITIES[name].days * 12 for name in known]
    hours = np.diff(at) / np.timedelta64(1, "h")
    starts = np.r_[np.flatnonzero(np.r_[True, np.diff(series) != 0][: len(series)]), len(series)]
    gaps = [hours[begin : end - 1][:WINDOW] for begin, end in pairwise(starts)]
    steps = np.array([np.median(gap) if len(gap) else 24 for gap in gaps])
    return [known[place] for place in np.maximum(np.searchsorted(halves, steps) - 1, 0)]


def _states(known: pd.DataFrame, good: "pd.Series[bool]") -> pd.DataFrame:
    """One row per series: how much there is, how regular and how recent it is, and how much of it are outages."""
    rows = known.assign(good=good, gap=known.groupby("series_id")["ds"].diff())
    series = rows.groupby("series_id")
    recent = rows.groupby("series_id").tail(RECENT).groupby("series_id")
    newest = rows.groupby("series_id").tail(WINDOW).groupby("series_id")["y"]
    return (
        pd.DataFrame(
            {
                "observations": series.size(),
                "good": series["good"].sum(),
                "last": series["ds"].max(),
                "gap": series["gap"].median(),
                "outages": 1 - recent["good"].mean(),
                "still": (newest.size() == WINDOW) & (newest.nunique() == 1),
                "value": newest.last(),
            }
        )
        .rename_axis("series_id")
        .reset_index()
    )


def _reason(state: Any, end: pd.Timestamp, need: int) -> str | None:
    if state.observations < need:
        return f"history too short: {state.observations} of {need} observations"
    if end - state.last > (STALE if pd.isna(state.gap) else max(STALE, 3 * state.gap)):
        return f"stale: the last observation is of {state.last:%Y-%m-%d}, {(end - state.last).days} days before the end"
    if state.still:
        return f"dead: the last {WINDOW} observations are all {state.value:g}"
    if state.outages > MOST_OUTAGES:
        return f"dead: {state.outages:.0%} of the last {RECENT} observations are outages"
    if state.good < need:
        return f"history too short: {state.good} of {need} observations are usable"
    return None

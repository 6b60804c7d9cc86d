"""How far an observation can be trusted, and which series are fit to learn from. Pure."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view

__all__ = ["WINDOW", "Exclusion", "score", "usable"]

Floats = npt.NDArray[np.float64]
Places = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

WINDOW = 28
"""Observations that a score looks back on."""
FLAT, FLAT_IF_RECURRING = 3, 7
"""Equal values in a row that make a flat line; more where that value has come back again and again."""
FEWEST_OTHERS = 5
FEWEST = 14
"""Observations without which there is no bound."""
BOUND = 8.0
BLOCK = 100_000

STALE = pd.Timedelta(days=14)
RECENT, MOST_OUTAGES = 180, 0.2


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A series that is not fit to learn from, and why."""

    series_id: int
    reason: str


def score(frame: pd.DataFrame) -> "pd.Series[float]":
    """0 for a flat line, 0.5 for a value beyond its robust bound, else 1; a row knows only the rows before it.

    A value is flat from the third time in a row on (zeros count), if the 28 observations before the run have a median
    above 0 and seldom repeat themselves, as small counts do; a value that began two runs in those 28 is normal here and
    needs seven. The bound is 8 robust standard deviations around the median of the 28 before, flat ones left out.
    """
    codes, _ = pd.factorize(frame["series_id"])
    order = np.lexsort((frame["ds"].to_numpy(), codes))
    ids, y = codes[order], frame["y"].to_numpy(dtype=np.float64)[order]
    first = _first_of(ids)
    flat = _flat(y, first)
    scores = np.where(_beyond(y, np.where(flat, np.nan, y), first), 0.5, 1.0)
    scores[flat | np.isnan(y)] = 0.0
    found = np.empty(len(y))
    found[order] = scores
    return pd.Series(found, index=frame.index, name="quality_score")


def usable(frame: pd.DataFrame, *, end: pd.Timestamp, need: int = 180) -> tuple[pd.DataFrame, tuple[Exclusion, ...]]:
    """The rows up to `end` to learn from (an outage is missing, not zero), and the series left out with their reasons.

    A `quality_score` in the frame counts where it is the lower one.
    """
    known = frame[(frame["ds"] <= end) & frame["y"].notna()].sort_values(["series_id", "ds"])
    scores = score(known)
    if "quality_score" in known.columns:
        scores = scores.clip(upper=known["quality_score"].astype("float64").fillna(1.0))
    good = scores > 0
    states = _states(known, good)
    reasons = [_reason(state, end, need) for state in states.itertuples()]
    names = states["series_id"].tolist()
    out = tuple(Exclusion(name, why) for name, why in zip(names, reasons, strict=True) if why)
    kept = good & ~known["series_id"].isin([one.series_id for one in out])
    return known[kept].reset_index(drop=True), out


def _flat(y: Floats, first: Places) -> Flags:
    """Rows whose value stands still, judged by what came before the run began."""
    place = np.arange(len(y))
    begins = (place == first) | np.r_[True, y[1:] != y[:-1]][: len(y)]
    run = np.maximum.accumulate(np.where(begins, place, 0))
    length = place - run + 1
    starts = np.unique(run[length >= FLAT])
    before = _windows(_trails(y), starts, first)
    recurring = (_windows(_trails(np.where(begins, y, np.nan)), starts, first) == y[starts, None]).sum(axis=1) >= 2
    judged = (_medians(np.sort(before, axis=1)) > 0) & _continuous(before, y[starts])
    needed = np.full(len(y), np.iinfo(np.int64).max)
    needed[starts[judged]] = np.where(recurring, FLAT_IF_RECURRING, FLAT)[judged]
    standing: Flags = length >= needed[run]
    return standing


def _continuous(before: Floats, value: Floats) -> Flags:
    """Whether other values than this one seldom repeat; small counts do, and stand still by chance."""
    others = np.sort(np.where(before == value[:, None], np.nan, before), axis=1)
    seen = np.isfinite(others).sum(axis=1)
    distinct = (np.diff(others, axis=1) > 0).sum(axis=1) + 1
    continuous: Flags = (seen >= FEWEST_OTHERS) & (distinct >= 0.5 * seen)
    return continuous


def _beyond(y: Floats, trusted: Floats, first: Places) -> Flags:
    """Rows further from the median of the trusted values before them than BOUND robust standard deviations."""
    found, trails = np.zeros(len(y), dtype=bool), _trails(trusted)
    for begin in range(0, len(y), BLOCK):
        rows = np.arange(begin, min(begin + BLOCK, len(y)))
        before = np.sort(_windows(trails, rows, first), axis=1)
        median, seen = _medians(before), np.isfinite(before).sum(axis=1)
        limit = BOUND * _spread(before, median, seen)
        found[rows] = (seen >= FEWEST) & (limit > 0) & (np.abs(y[rows] - median) > limit)
    return found


def _spread(before: Floats, median: Floats, seen: Places) -> Floats:
    """A robust standard deviation (the mean one where most values are equal), at least 5 % of the median."""
    away = np.abs(before - median[:, None])
    spread = 1.4826 * _medians(np.sort(away, axis=1))
    still = spread == 0
    spread[still] = 1.2533 * np.nansum(away[still], axis=1) / np.maximum(seen[still], 1)
    return np.maximum(spread, 0.05 * np.abs(median))


def _trails(y: Floats) -> Floats:
    """The WINDOW values before each row, whichever series they are of; a view that takes no memory."""
    return sliding_window_view(np.r_[np.full(WINDOW, np.nan), y], WINDOW)


def _windows(trails: Floats, rows: Places, first: Places) -> Floats:
    """The WINDOW values before each of these rows, NaN before its series began."""
    before = trails[rows]
    depth = rows - first[rows]
    early = depth < WINDOW
    before[early] = np.where(np.arange(WINDOW) >= WINDOW - depth[early][:, None], before[early], np.nan)
    return before


def _medians(ordered: Floats) -> Floats:
    """Medians of rows that are sorted, NaN last."""
    seen = np.isfinite(ordered).sum(axis=1)
    lower, upper = np.maximum(seen - 1, 0) // 2, np.minimum(seen // 2, WINDOW - 1)
    rows = np.arange(len(ordered))
    medians: Floats = (ordered[rows, lower] + ordered[rows, upper]) / 2
    return medians


def _first_of(ids: npt.NDArray[Any]) -> Places:
    """For each row the place of its series' first row."""
    starts = np.r_[True, ids[1:] != ids[:-1]][: len(ids)]
    place: Places = np.maximum.accumulate(np.where(starts, np.arange(len(ids)), 0))
    return place


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

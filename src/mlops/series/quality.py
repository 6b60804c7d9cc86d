"""How far an observation can be trusted, how unusual it is, and which series are fit to learn from. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops.arrays import Bools, Floats, Ints, Singles, Times
from mlops.domain.granularity import GRANULARITIES
from mlops.domain.metric_types import MetricType
from mlops.series.anomaly import DEPTH, surprise
from mlops.series.flat import standing_still
from mlops.series.grid import ROOM, Grid, centre, robust_scale
from mlops.times import UTC

__all__ = ["LOOK_BACK", "WINDOW", "Assessment", "Exclusion", "Thresholds", "assess", "score", "usable"]


WINDOW = ROOM
"""Observations that a robust range looks back on."""
LONGEST_FLAT_AFTER = 20
"""The check of `analytics.metric_types.flat_after`."""
LOOK_BACK = {
    name: max(2 * ROOM, LONGEST_FLAT_AFTER * 2 + ROOM, 2 * one.window, one.longest * one.compared + DEPTH)
    for name, one in GRANULARITIES.items()
}
"""Observations before the first new one with which the results are those of the whole history.

A changed observation may change the results of as many after it, and of the flat line that it stands in or ends.
"""
STEPS = tuple(GRANULARITIES.values())
PLACES, PHASES = 32_768, 65_000
"""A block that stays in a processor's cache, and whose phases can be sorted by radix."""

BEYOND = 0.5
GENTLY = 0.5
"""The least that completeness, or staleness, leaves of a score."""
NARROWEST = 0.05
"""A robust range is at least this part of its centre."""

STALE = pd.Timedelta(days=14)
RECENT, MOST_OUTAGES = 180, 0.2


@dataclass(frozen=True, slots=True)
class Exclusion:
    """A series that is not fit to learn from, and why."""

    series_id: int
    reason: str


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What the rows of each series are held against, (series) each.

    `step` is a place in GRANULARITIES; `clock` is the time zone of hours and shorter steps, UTC for longer ones.
    """

    step: npt.NDArray[np.int8]
    clock: npt.NDArray[Any]
    flat_after: Ints
    jump_limit: Floats
    late_after_seconds: Floats
    anomaly_limit: Floats

    @classmethod
    def of(
        cls, metrics: Sequence[MetricType], granularities: Sequence[str], zones: Sequence[str] | None = None
    ) -> "Thresholds":
        """The thresholds of series that measure these metric types, one of each per series; without zones in UTC."""
        steps, named = [GRANULARITIES[name] for name in granularities], zones or [UTC] * len(granularities)
        clocks = [UTC if step.dated else zone for step, zone in zip(steps, named, strict=True)]
        return cls(
            np.array([STEPS.index(step) for step in steps], dtype=np.int8),
            np.array(clocks, dtype=object),
            np.array([metric.flat_after for metric in metrics], dtype=np.int64),
            np.array([metric.jump_limit for metric in metrics], dtype=np.float64),
            np.array([metric.late_after.total_seconds() for metric in metrics], dtype=np.float64),
            np.array([metric.anomaly_limit for metric in metrics], dtype=np.float64),
        )

    def part(self, series: Any) -> "Thresholds":
        """Those of some of the series."""
        return Thresholds(*(getattr(self, field.name)[series] for field in fields(self)))


@dataclass(frozen=True, slots=True)
class Assessment:
    """Per row (n): `quality` 0 to 1, `anomaly_score` in robust standard deviations (NaN: too little past), verdict."""

    quality: Singles
    anomaly_score: Singles
    is_anomaly: Bools


def assess(
    series: Ints,
    at: Times,
    y: Floats,
    thresholds: Thresholds,
    *,
    late: Floats | None = None,
    known_quality: Floats | None = None,
) -> Assessment:
    """Judge rows (n) that are sorted by series and time, each by the rows before it alone.

    `series` holds any code per series; the thresholds are in the order in which the series come. `late` is seconds from
    the end of a period to its arrival (NaN: unknown). `known_quality` is what is stored of rows that are only context
    (NaN: a new row): a stored 0 is not learnt from, and a flat line goes on.
    """
    late, known_quality = (np.full(len(y), np.nan) if some is None else some for some in (late, known_quality))
    found = Assessment(np.ones(len(y), np.float32), np.full(len(y), np.nan, np.float32), np.zeros(len(y), bool))
    begins = np.r_[True, series[1:] != series[:-1]][: len(series)]
    starts = np.r_[np.flatnonzero(begins), len(series)]
    if len(starts) - 1 != len(thresholds.step):
        raise ValueError(f"there are {len(starts) - 1} series and thresholds of {len(thresholds.step)}")
    with np.errstate(all="ignore"):  # unknown values are NaN and compare as false; the largest floats overflow
        for step, clock, chosen in _blocks(starts, thresholds):
            rows, lengths = _rows_of(starts, chosen)
            number = np.repeat(np.arange(len(lengths)), lengths)
            grid = Grid.of(number, at[rows], STEPS[step], clock)
            quality, surprised = _judge(grid, y[rows], late[rows], known_quality[rows], thresholds.part(chosen))
            found.quality[rows], found.anomaly_score[rows] = quality, surprised
            found.is_anomaly[rows] = surprised > thresholds.anomaly_limit[chosen][number]
    return found


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
    kept = good & ~known["series_id"].isin([one.series_id for one in out])
    return known[kept].reset_index(drop=True), out


def _blocks(starts: Ints, thresholds: Thresholds) -> Iterator[tuple[int, str, Ints]]:
    """The numbers of series that are judged together: of one granularity and clock, about PLACES rows with room."""
    for step in np.unique(thresholds.step):
        of_step = thresholds.step == step
        for clock in sorted(set(thresholds.clock[of_step])):
            chosen = np.flatnonzero(of_step & (thresholds.clock == clock))
            places = np.cumsum(starts[chosen + 1] - starts[chosen] + ROOM)
            cuts = places // PLACES + np.arange(len(chosen)) // (PHASES // STEPS[step].longest)
            for block in np.split(chosen, np.flatnonzero(np.diff(cuts)) + 1):
                yield int(step), clock, block


def _rows_of(starts: Ints, chosen: Ints) -> tuple[Any, Ints]:
    """The rows of the chosen series (a slice where they lie together), and how many each has."""
    lengths = starts[chosen + 1] - starts[chosen]
    if chosen[-1] - chosen[0] + 1 == len(chosen):
        return slice(int(starts[chosen[0]]), int(starts[chosen[-1] + 1])), lengths
    skipped = np.repeat(starts[chosen] - np.r_[0, np.cumsum(lengths)[:-1]], lengths)
    return np.arange(lengths.sum()) + skipped, lengths


def _judge(grid: Grid, y: Floats, late: Floats, known: Floats, thresholds: Thresholds) -> tuple[Floats, Floats]:
    """Quality and anomaly score of the rows (n) of a block."""
    flat = standing_still(grid, y, thresholds.flat_after[grid.series], known)
    trusted = np.where(np.where(np.isnan(known), flat, known == 0), np.nan, y)
    expected, same = grid.same_phase(trusted)
    limit = thresholds.jump_limit[grid.series]
    odd = _out_of_range(grid, y, trusted, same, limit) | _jumped(grid, y, trusted, same, limit)
    quality = np.where(odd, BEYOND, 1.0) * _complete(grid) * _punctual(late, thresholds.late_after_seconds[grid.series])
    quality[flat | np.isnan(y)] = 0.0
    return quality, surprise(grid, y, trusted, expected)


def _out_of_range(grid: Grid, y: Floats, trusted: Floats, same: Floats, limit: Floats) -> Bools:
    """Rows further from the centre of the 28 before than `limit` robust standard deviations of those.

    Where those are less than a day, and so know nothing of the hour at which it opens, also from the same hour before.
    """
    placed = grid.placed(trusted)
    middle = centre(placed)
    away = placed
    away[ROOM:] = np.abs(placed[ROOM:] - middle)
    spread = grid.rows(np.maximum(robust_scale(away), NARROWEST * np.abs(middle)))
    beyond: Bools = np.abs(y - grid.rows(middle)) > limit * spread
    if grid.granularity.cycle > ROOM:
        beyond &= np.abs(y - same) > limit * np.maximum(spread, NARROWEST * np.abs(same))
    return beyond


def _jumped(grid: Grid, y: Floats, trusted: Floats, same: Floats, limit: Floats) -> Bools:
    """Rows that are `limit` robust steps of the past away from the value before, and from the same phase before."""
    placed = grid.placed(trusted)
    steps = np.r_[np.nan, np.abs(np.diff(placed))]
    scale = grid.rows(robust_scale(steps))
    before = placed[grid.place - 1]
    scale = np.maximum(scale, NARROWEST * np.abs(before))
    if grid.granularity.cycle > ROOM:  # a night's steps say nothing of the size of the morning's
        scale = np.fmax(scale, NARROWEST * np.abs(same))
    jumped: Bools = (np.abs(y - before) > limit * scale) & (np.abs(y - same) > limit * scale)
    return jumped


def _complete(grid: Grid) -> Floats:
    """1 where the window of periods before holds as many observations as usual in this series, down to GENTLY, (n).

    Usual is the median of four such counts at earlier rows, so a route served weekly is complete.
    """
    if grid.dense:
        return np.ones(len(grid.series))
    window = grid.granularity.window
    rows = np.arange(len(grid.series))
    counts = rows - np.maximum(np.searchsorted(grid.key, grid.key - window), grid.first)
    earlier = np.full((4, len(rows)), 0)
    for number in range(4):
        back = window * (number + 1) // 4
        there = rows - back >= grid.first
        earlier[number, there] = counts[rows[there] - back]
    usual = np.sort(earlier, axis=0)[1:3].mean(axis=0)
    return np.where(counts < usual, GENTLY + (1 - GENTLY) * counts / usual, 1.0)


def _punctual(late: Floats, late_after: Floats) -> Floats:
    """1 up to `late_after` seconds after the end of the period, then down to GENTLY; 1 where it is unknown."""
    return np.where(late > late_after, GENTLY + (1 - GENTLY) * late_after / late, 1.0)


def _granularities(series: Ints, at: Times) -> list[str]:
    """The longest granularity of which half a step is below the middle one of a series' first gaps; else daily."""
    known = [name for name, one in GRANULARITIES.items() if one.seconds or one.months]
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

"""How far an observation can be trusted and how unusual it is, each by those before it alone. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from mlops.arrays import Bools, Floats, Ints, Singles, Times
from mlops.domain.granularity import GRANULARITIES
from mlops.domain.metric_types import MetricType
from mlops.series.grid import PADDING, Grid, centre, medians, robust_scale
from mlops.times import UTC

__all__ = ["LOOK_BACK", "WINDOW", "Assessment", "Thresholds", "assess"]

WINDOW = PADDING
"""Observations that a robust range looks back on."""
BEYOND = 0.5
"""The quality of a jump and of a value beyond the robust range: kept, with doubt. Chosen, not measured."""
GENTLY = 0.5
"""The least that completeness, or staleness, leaves of a score. Chosen, not measured."""
NARROWEST = 0.05
"""A robust range is at least this part of its centre. Chosen, not measured."""
NEAR = 3
"""Residuals whose median is the newest level; one of them may be an outlier."""
DOUBT = 0.08
"""A standard deviation, as a part of what was expected, that is granted however still the past was."""
NEIGHBOURS = 6
"""Rows before that stand in for phases that are not there; their median needs half of them."""
MOST = 1000.0
"""Anomaly scores are cut there, so that they stay numbers whatever comes."""
FEWEST_OTHERS = 5
"""Other values, without which nothing is known of how often values repeat. Chosen, not measured."""
LONGEST_FLAT_AFTER = 20
"""The check of `analytics.metric_types.flat_after`."""
LOOK_BACK = {
    name: max(
        2 * PADDING, LONGEST_FLAT_AFTER * 2 + PADDING, 2 * step.window, step.longest * step.compared + NEAR + PADDING
    )
    for name, step in GRANULARITIES.items()
}
"""Observations before the first new one with which the results are those of the whole history.

A changed observation may change the results of as many after it, and of the flat line that it stands in or ends.
"""
NEVER = np.iinfo(np.int64).max
STEPS = tuple(GRANULARITIES.values())
PLACES, PHASES = 32_768, 65_000
"""A block that stays in a processor's cache, and whose phases can be sorted by radix."""


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
    """Score rows (n) that are sorted by series and time, each by the rows before it alone.

    `series` holds any code per series; the thresholds are in the order in which the series come. `late` is seconds from
    the end of a period to its arrival (NaN: unknown). `known_quality` is what is stored of rows that are only context
    (NaN: a new row): a stored 0 is not learnt from, and a flat line goes on.
    """
    late, known_quality = (np.full(len(y), np.nan) if some is None else some for some in (late, known_quality))
    assessed = Assessment(np.ones(len(y), np.float32), np.full(len(y), np.nan, np.float32), np.zeros(len(y), bool))
    begins = np.r_[True, series[1:] != series[:-1]][: len(series)]
    starts = np.r_[np.flatnonzero(begins), len(series)]
    if len(starts) - 1 != len(thresholds.step):
        raise ValueError(f"there are {len(starts) - 1} series and thresholds of {len(thresholds.step)}")
    with np.errstate(all="ignore"):  # unknown values are NaN and compare as false; the largest floats overflow
        for step, clock, chosen in _blocks(starts, thresholds):
            rows, lengths = _rows_of(starts, chosen)
            number = np.repeat(np.arange(len(lengths)), lengths)
            grid = Grid.of(number, at[rows], STEPS[step], clock)
            quality, surprised = _scores(grid, y[rows], late[rows], known_quality[rows], thresholds.part(chosen))
            assessed.quality[rows], assessed.anomaly_score[rows] = quality, surprised
            assessed.is_anomaly[rows] = surprised > thresholds.anomaly_limit[chosen][number]
    return assessed


def _blocks(starts: Ints, thresholds: Thresholds) -> Iterator[tuple[int, str, Ints]]:
    """The numbers of series that are scored together: of one granularity and clock, about PLACES rows with room."""
    for step in np.unique(thresholds.step):
        of_step = thresholds.step == step
        for clock in sorted(set(thresholds.clock[of_step])):
            chosen = np.flatnonzero(of_step & (thresholds.clock == clock))
            places = np.cumsum(starts[chosen + 1] - starts[chosen] + PADDING)
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


def _scores(grid: Grid, y: Floats, late: Floats, known: Floats, thresholds: Thresholds) -> tuple[Floats, Floats]:
    """Quality and anomaly score of the rows (n) of a block."""
    flat = _standing_still(grid, y, thresholds.flat_after[grid.series], known)
    trusted = np.where(np.where(np.isnan(known), flat, known == 0), np.nan, y)
    expected, same = grid.same_phase(trusted)
    limit = thresholds.jump_limit[grid.series]
    odd = _out_of_range(grid, y, trusted, same, limit) | _jumped(grid, y, trusted, same, limit)
    late_after = thresholds.late_after_seconds[grid.series]
    punctual = np.where(late > late_after, GENTLY + (1 - GENTLY) * late_after / late, 1.0)  # 1 where it is unknown
    quality = np.where(odd, BEYOND, 1.0) * _complete(grid) * punctual
    quality[flat | np.isnan(y)] = 0.0
    return quality, _surprise(grid, y, trusted, expected)


def _out_of_range(grid: Grid, y: Floats, trusted: Floats, same: Floats, limit: Floats) -> Bools:
    """Rows further from the centre of the 28 before than `limit` robust standard deviations of those.

    Where those are less than a day, and so know nothing of the hour at which it opens, also from the same hour before.
    """
    placed = grid.placed(trusted)
    middle = centre(placed)
    away = placed
    away[PADDING:] = np.abs(placed[PADDING:] - middle)
    spread = grid.rows(np.maximum(robust_scale(away), NARROWEST * np.abs(middle)))
    beyond: Bools = np.abs(y - grid.rows(middle)) > limit * spread
    if grid.granularity.cycle > PADDING:
        beyond &= np.abs(y - same) > limit * np.maximum(spread, NARROWEST * np.abs(same))
    return beyond


def _jumped(grid: Grid, y: Floats, trusted: Floats, same: Floats, limit: Floats) -> Bools:
    """Rows that are `limit` robust steps of the past away from the value before, and from the same phase before."""
    placed = grid.placed(trusted)
    steps = np.r_[np.nan, np.abs(np.diff(placed))]
    scale = grid.rows(robust_scale(steps))
    before = placed[grid.place - 1]
    scale = np.maximum(scale, NARROWEST * np.abs(before))
    if grid.granularity.cycle > PADDING:  # a night's steps say nothing of the size of the morning's
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


def _surprise(grid: Grid, y: Floats, trusted: Floats, expected: Floats) -> Floats:
    """The distance to what was expected in robust standard deviations of the past, (n); NaN: too little past.

    `expected` is the median of the same phase in the last seasons. A second guess adds the median of the last three
    residuals, so that a new level is soon normal; the distance is that to the nearer guess. The scale is that of the
    last 28 distances, with DOUBT of what was expected added to it as variances add up. `trusted` is y without what must
    not be learnt from (NaN there).
    """
    expected = _or_neighbours(grid, trusted, expected)
    away = y - expected
    # the median of the three residuals before each row; an unknown one counts as 0
    residuals = np.nan_to_num(grid.placed(trusted - expected), nan=0.0, posinf=0.0, neginf=0.0)
    size = len(residuals) - PADDING
    before = [residuals[PADDING - back : PADDING - back + size].copy() for back in range(1, NEAR + 1)]
    level = grid.rows(medians(before))
    away = np.minimum(np.abs(away), np.abs(away - level))
    scale = grid.rows(robust_scale(grid.placed(np.where(np.isnan(trusted), np.nan, away)), still=0.0))
    scale = np.hypot(scale, DOUBT * np.abs(expected))
    scale[scale == 0] = np.nan
    return np.minimum(away / scale, MOST)


def _or_neighbours(grid: Grid, trusted: Floats, expected: Floats) -> Floats:
    """Where the past is long enough but its phases are not (a route served on any day): the median of the last six."""
    rows = np.arange(len(trusted))
    reach = grid.granularity.longest * grid.granularity.compared
    poor: Ints = np.flatnonzero(np.isnan(expected) & (rows - grid.first >= max(reach, NEIGHBOURS)))
    if not len(poor):
        return expected
    near = trusted[poor[None, :] - np.arange(1, NEIGHBOURS + 1)[:, None]]
    found = expected.copy()
    found[poor] = medians(list(np.where(np.isnan(near), np.inf, near)), fewest=NEIGHBOURS // 2)
    return found


def _standing_still(grid: Grid, y: Floats, flat_after: Ints, known: Floats) -> Bools:
    """Rows (n) of a flat line, judged by the PADDING observations before it began.

    A value is flat from the `flat_after`-th time in a row on (zeros count), if at least half of those before are above
    0 and the others seldom repeat themselves, as small counts do. A value that began two runs among them is normal
    here and needs 2 * flat_after + 1; one that the same phase had a season before the run is usual. `known` are
    stored scores (NaN: none): a flat line that began before the rows goes on.
    """
    place = np.arange(len(y))
    begins = (place == grid.first) | np.r_[True, y[1:] != y[:-1]]
    run = np.maximum.accumulate(np.where(begins, place, 0))
    length = place - run + 1
    starts = run[length == flat_after]
    needed = np.full(len(y), NEVER)
    needed[starts] = _needed(grid, y, begins, starts, flat_after[starts])
    _believe(needed, run, length, flat_after, known, grid.first)
    flat = length >= needed[run]
    # not what the same phase had a season before, when that was before the run
    rows = np.flatnonzero(flat)
    then, there = grid.season_before(rows)
    flat[rows[there & (y[then] == y[rows]) & (then < run[rows])]] = False
    return flat


def _needed(grid: Grid, y: Floats, begins: Bools, starts: Ints, flat_after: Ints) -> Ints:
    """How long each of the runs that begin at `starts` must be to be flat."""
    windows = grid.place[starts] - PADDING
    before = sliding_window_view(grid.placed(y), PADDING)[windows]  # NaN before the series began
    seen = np.isfinite(before).sum(axis=1)
    needed = np.full(len(starts), NEVER)
    judged = np.flatnonzero((seen > 0) & (2 * (before > 0).sum(axis=1) >= seen))
    judged = judged[_continuous(before[judged], y[starts[judged]])]
    runs = sliding_window_view(grid.placed(np.where(begins, y, np.nan)), PADDING)[windows[judged]]
    recurring = (runs == y[starts[judged], None]).sum(axis=1) >= 2
    needed[judged] = np.where(recurring, 2 * flat_after[judged] + 1, flat_after[judged])
    return needed


def _continuous(before: Floats, value: Floats) -> Bools:
    """Whether other values than this one seldom repeat; small counts do, and stand still by chance."""
    others = np.sort(np.where(before == value[:, None], np.nan, before), axis=1)
    seen = np.isfinite(others).sum(axis=1)
    distinct = (np.diff(others, axis=1) > 0).sum(axis=1) + 1
    continuous: Bools = (seen >= FEWEST_OTHERS) & (distinct >= 0.5 * seen)
    return continuous


def _believe(needed: Ints, run: Ints, length: Ints, flat_after: Ints, known: Floats, first: Ints) -> None:
    """Let what is stored of a run decide over the rest of it, where it is long enough or began before the rows."""
    rows = np.flatnonzero(~np.isnan(known) & ((length >= flat_after) | (run == first)))
    newest = np.full(len(run), -1)
    newest[run[rows]] = rows  # of several rows of a run the last one stays
    begin = np.flatnonzero(newest >= 0)
    last = newest[begin]
    flat, long = known[last] == 0, length[last] > 2 * flat_after[last]
    needed[begin[flat]] = np.minimum(needed[begin[flat]], length[last[flat]])
    needed[begin[long & ~flat]] = NEVER

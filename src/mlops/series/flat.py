"""Which values stand still: a dead sensor, and not small counts, closed days or a sum that happens to repeat. Pure."""

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from mlops.arrays import Bools, Floats, Ints
from mlops.series.grid import ROOM, Grid

__all__ = ["standing_still"]

FEWEST_OTHERS = 5
NEVER = np.iinfo(np.int64).max


def standing_still(grid: Grid, y: Floats, flat_after: Ints, known: Floats) -> Bools:
    """Rows (n) of a flat line, judged by the ROOM observations before it began.

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
    _spare_the_usual(flat, grid, y, run)
    return flat


def _needed(grid: Grid, y: Floats, begins: Bools, starts: Ints, flat_after: Ints) -> Ints:
    """How long each of the runs that begin at `starts` must be to be flat."""
    before = _before(grid, y, starts)
    seen = np.isfinite(before).sum(axis=1)
    needed = np.full(len(starts), NEVER)
    judged = np.flatnonzero((seen > 0) & (2 * (before > 0).sum(axis=1) >= seen))
    judged = judged[_continuous(before[judged], y[starts[judged]])]
    runs = _before(grid, np.where(begins, y, np.nan), starts[judged])
    recurring = (runs == y[starts[judged], None]).sum(axis=1) >= 2
    needed[judged] = np.where(recurring, 2 * flat_after[judged] + 1, flat_after[judged])
    return needed


def _before(grid: Grid, values: Floats, rows: Ints) -> Floats:
    """The ROOM values before each of these rows, NaN before its series began."""
    return sliding_window_view(grid.placed(values), ROOM)[grid.place[rows] - ROOM]


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


def _spare_the_usual(flat: Bools, grid: Grid, y: Floats, run: Ints) -> None:
    """Take away rows whose value the same phase had a season before, when that was before the run."""
    rows = np.flatnonzero(flat)
    then, there = grid.season_before(rows)
    usual = there & (y[then] == y[rows]) & (then < run[rows])
    flat[rows[usual]] = False

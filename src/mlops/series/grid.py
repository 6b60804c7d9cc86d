"""Many series in one array with padding between them: a shift, a window or a median is one operation over all."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mlops.arrays import Bools, Floats, Ints, Times
from mlops.domain.granularity import GRANULARITIES, Granularity
from mlops.times import UTC, local_times

__all__ = ["PADDING", "Grid", "centre", "medians", "periods", "robust_scale"]


BLOCK, BLOCKS = 7, 4
PADDING = BLOCK * BLOCKS
"""Observations that a robust range looks back on, and the empty places before each series."""
FEWEST = 14
"""Observations of those without which there is no range."""
TALLEST = 3.0
MEAN_TO_SIGMA = float(np.sqrt(np.pi / 2))
"""The standard deviation of normal noise over its mean absolute deviation."""

FAR = 2**40
"""More periods than any series has."""

NETWORKS: dict[int, tuple[tuple[int, int], ...]] = {
    3: ((0, 2), (0, 1), (1, 2)),
    4: ((0, 1), (2, 3), (0, 2), (1, 3), (1, 2)),
    6: ((0, 5), (1, 3), (2, 4), (1, 2), (3, 4), (0, 3), (2, 5), (0, 1), (2, 3), (4, 5), (1, 2), (3, 4)),
    7: (
        *((0, 6), (2, 3), (4, 5), (0, 2), (1, 4), (3, 6), (0, 1), (2, 5)),
        *((3, 4), (1, 2), (4, 6), (2, 3), (4, 5), (1, 2), (3, 4), (5, 6)),
    ),
}
"""Comparisons that sort 3, 4, 6 or 7 values (Knuth, The Art of Computer Programming 3, section 5.3.4)."""


@dataclass(frozen=True)
class Grid:
    """The rows of some series of one granularity and time zone, n rows sorted by series and time.

    `series` (n) counts the series from 0, `period` (n) counts steps as they pass. `shift` (n) is how many steps the
    local clock is ahead of that count: phases are local, while an hour that the clock repeats or skips is neither two
    nor a gap. A value is *placed* (size) when PADDING empty places stand before each series; what is computed from
    placed values (size - PADDING) has lost the first padding.
    """

    series: Ints
    period: Ints
    granularity: Granularity
    shift: Ints | None = None

    @classmethod
    def of(cls, series: Ints, at: Times, granularity: Granularity, zone: str = UTC) -> "Grid":
        """The grid of rows at these UTC times, by the clock of a zone."""
        period = granularity.number(at)
        if zone == UTC or granularity.dated:
            return cls(series, period, granularity)
        return cls(series, period, granularity, granularity.number(local_times(at, zone)) - period)

    @cached_property
    def place(self) -> Ints:
        """Where each row stands, (n)."""
        return np.arange(len(self.series)) + PADDING * (self.series + 1)

    @cached_property
    def key(self) -> Ints:
        """Ascends with series and period, (n); the difference of two rows of a series is that of their periods."""
        return self.series * FAR + self.period

    @cached_property
    def first(self) -> Ints:
        """For each row the number of its series' first row, (n)."""
        begins = np.r_[True, self.series[1:] != self.series[:-1]]
        first: Ints = np.maximum.accumulate(np.where(begins, np.arange(len(begins)), 0))
        return first

    @cached_property
    def dense(self) -> bool:
        """Whether no period is missing between two rows of a series."""
        return bool(((np.diff(self.period) == 1) | (np.diff(self.series) != 0)).all())

    def placed(self, values: Floats) -> Floats:
        """Row values (n) at their places, NaN in the padding between."""
        found = np.full(int(self.place[-1]) + 1, np.nan)
        found[self.place] = values
        return found

    def rows(self, values: Floats) -> Floats:
        """The row values (n) out of values (size - PADDING)."""
        return values[self.place - PADDING]

    def same_phase(self, values: Floats) -> tuple[Floats, Floats]:
        """The median of the same phase in the last seasons and its newest value, each (n); NaN where there is none.

        A phase is a weekday, an hour of the local week, a month. What is further back than so many rows is not
        looked at.
        """
        most, reach = self.granularity.compared, self.granularity.longest * self.granularity.compared
        order, place = self._by_phase
        filled, row = np.full(place[-1] + 1, np.inf), np.full(place[-1] + 1, -reach - 1)
        filled[place], row[place] = np.where(np.isnan(values), np.inf, values)[order], order
        shifted = []
        for back in range(1, most + 1):
            near = row[most:] - row[most - back : -back] <= reach
            shifted.append(np.where(near, filled[most - back : -back], np.inf))
        newest, middle = shifted[0].copy(), medians(shifted, fewest=(most + 1) // 2)
        found = np.empty((2, len(values)))
        found[:, order] = middle[place - most], np.where(np.isinf(newest), np.nan, newest)[place - most]
        return found[0], found[1]

    def season_before(self, rows: Ints) -> tuple[Ints, Bools]:
        """The rows at the same local time one season before these rows, and whether there are any."""
        wanted = self.key[rows] - self.granularity.longest
        then = np.searchsorted(self.key, wanted)
        if self.shift is not None:  # the clock was changed since: so many steps away
            wanted = wanted + self.shift[rows] - self.shift[np.maximum(then, self.first[rows])]
            then = np.searchsorted(self.key, wanted)
        return then, self.key[then] == wanted

    @cached_property
    def _by_phase(self) -> tuple[Ints, Ints]:
        """The rows in the order of series, phase and time, and their places with padding for the shifts, each (n)."""
        season = self.granularity.longest
        key = self.series * season + (self.period if self.shift is None else self.period + self.shift) % season
        # 16 bits are sorted by radix, which is much faster
        order = np.argsort(key.astype(np.uint16) if key[-1] < 2**16 - season else key, kind="stable")
        group = np.cumsum(np.r_[True, np.diff(key[order]) != 0])
        return order, np.arange(len(key)) + self.granularity.compared * group


def periods(at: Times, granularity: str) -> Ints:
    """The number of the step of each stamp; weeks begin on a Monday."""
    return GRANULARITIES[granularity].number(at)


def medians(columns: Sequence[Floats], *, fewest: int = 1) -> Floats:
    """The median across 3, 4, 6 or 7 arrays, inf where a value is missing; NaN where fewer than `fewest` are there.

    The arrays are sorted in place.
    """
    many, ordered = len(columns), list(columns)
    spare = np.empty_like(ordered[0])
    for low, high in NETWORKS[many]:
        np.minimum(ordered[low], ordered[high], out=spare)
        np.maximum(ordered[low], ordered[high], out=ordered[high])
        ordered[low], spare = spare, ordered[low]
    middle = ordered[many // 2] if many % 2 else (ordered[many // 2 - 1] + ordered[many // 2]) / 2
    nothing = np.isinf(ordered[0])
    partly = np.flatnonzero(np.isinf(ordered[-1]) & ~nothing)
    if nothing.any():
        middle = np.where(nothing, np.nan, middle)
    if len(partly):
        some = np.stack([column[partly] for column in ordered])
        seen, row = np.isfinite(some).sum(axis=0), np.arange(len(partly))
        both = some[np.maximum(seen - 1, 0) // 2, row] + some[np.minimum(seen // 2, many - 1), row]
        middle = middle.copy()
        middle[partly] = np.where(seen >= fewest, both / 2, np.nan)
    return middle


def centre(placed: Floats) -> Floats:
    """The median of the four medians of 7 of the PADDING values before, (size - PADDING); NaN where there is none."""
    filled = np.where(np.isnan(placed), np.inf, placed)
    last = len(filled) - BLOCK + 1
    weekly = medians([filled[shift : last + shift].copy() for shift in range(BLOCK)])
    weekly[np.isnan(weekly)] = np.inf
    return medians(_blocks(weekly))


def robust_scale(away: Floats, *, still: float = np.nan) -> Floats:
    """A robust standard deviation of what lies so far `away` (size, NaN: unknown) in the PADDING values before.

    It is the mean of four means of 7, of which none counts for more than TALLEST times the middle one. Where more than
    half of the values are 0, it is the mean of the others, because what seldom happens still has a size.
    (size - PADDING); NaN where fewer than FEWEST are known; `still` where all of them are 0.
    """
    known = ~np.isnan(away)
    filled = np.where(known, away, 0.0)
    sums = _blocks(_sums(filled))
    counts = _blocks(_sums(known.astype(np.float64)))
    others = _blocks(_sums((filled > 0).astype(np.float64)))
    total, seen, moved = (parts[0] + parts[1] + parts[2] + parts[3] for parts in (sums, counts, others))
    scale = _capped_mean(
        [np.where(many > 0, some / np.maximum(many, 1), np.inf) for some, many in zip(sums, counts, strict=True)]
    )
    seldom = 2 * moved < seen
    scale[seldom] = total[seldom] / moved[seldom]
    scale *= MEAN_TO_SIGMA
    scale[moved == 0] = still
    scale[seen < FEWEST] = np.nan
    return scale


def _capped_mean(means: list[Floats]) -> Floats:
    """The mean across arrays (inf: missing), each value cut at TALLEST times the median across them."""
    most = TALLEST * medians([mean.copy() for mean in means])
    there = [~np.isinf(mean) for mean in means]
    total = np.zeros_like(most)
    for one, known in zip(means, there, strict=True):
        total += np.where(known, np.minimum(one, most), 0.0)
    capped: Floats = total / np.maximum(np.add.reduce(there, dtype=np.float64), 1)
    return capped


def _sums(values: Floats) -> Floats:
    """The sum of each value and the six after it; always added in the same order, whatever stands beside."""
    two = values[1:] + values[:-1]
    four = two[2:] + two[:-2]
    sums: Floats = four[:-3] + two[4:-1] + values[6:]
    return sums


def _blocks(windows: Floats) -> list[Floats]:
    """For each place after the first padding the four windows of 7 that end before it, newest first; copies."""
    last = len(windows) + BLOCK - 1
    starts = [PADDING - BLOCK * (block + 1) for block in range(BLOCKS)]
    return [windows[start : start + last - PADDING].copy() for start in starts]

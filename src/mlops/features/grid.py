"""Observations of many series on their steps, and features of any rows of them, a few series at a time.

A step is an hour, a day, a week (from Monday) or a month, counted from 1970; where two series stand in the array and
where the array begins changes nothing about their features.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops.features.cells import Cells, Floats
from mlops.features.kernels import Steps
from mlops.features.transformations import Transformation, compute, room

__all__ = ["Grid", "Ints", "Observed", "Times", "Wanted", "step_of", "time_of"]

Ints = npt.NDArray[np.int64]
Times = npt.NDArray[np.datetime64]
Wanted = tuple[Transformation, str | None, str]
"""A transformation, the metric type that it works on when it names none, and the entity that it is measured on."""
TOGETHER = 64
"""Series that are computed together: their steps fit into a processor's cache."""


@dataclass(frozen=True, slots=True)
class Observed:
    """One value per row, sorted by `row` (the place of its series) and `step`."""

    row: Ints
    step: Ints
    ds: Times
    y: Floats

    def between(self, first: int, last: int) -> "Observed":
        """What belongs to the series from `first` to before `last`."""
        begin, end = np.searchsorted(self.row, [first, last])
        return self.where(slice(begin, end))

    def where(self, chosen: npt.NDArray[Any] | slice) -> "Observed":
        """Some of the rows."""
        return Observed(self.row[chosen], self.step[chosen], self.ds[chosen], self.y[chosen])


@dataclass(frozen=True, slots=True)
class Grid:
    """What features of some series are computed from: observations by (metric type, entity, across), and labels."""

    granularity: str
    series: int
    observed: Mapping[tuple[str, str, str | None], Observed]
    texts: Callable[[str], Sequence[str | None]] = lambda _: ()

    def table(self, rows: Observed, wanted: Sequence[Wanted]) -> Floats:
        """A value per wanted transformation and row (transformations × rows); NaN where it can't be told."""
        found = np.empty((len(wanted), len(rows.row)))
        if not len(rows.row):
            return found
        begin, end = self._span(rows)
        before = max((room(one) for one, _, _ in wanted), default=0)
        done = 0
        for first in range(0, self.series, TOGETHER):
            some = rows.between(first, first + TOGETHER)
            part = _Part(self, first, min(TOGETHER, self.series - first), begin, end, before)
            with np.errstate(over="ignore", under="ignore", invalid="ignore"):
                for place, one in enumerate(wanted):
                    part.fill(found[place, done : done + len(some.row)], some, one)
            done += len(some.row)
        return found

    def _span(self, rows: Observed) -> tuple[int, int]:
        """The first step that anything is known of, and the one after the last row."""
        first = [int(one.step.min()) for one in self.observed.values() if len(one.step)]
        return min([*first, int(rows.step.min())]), int(rows.step.max()) + 1


@dataclass
class _Part:
    """Some series of a grid on the steps from `begin` to before `end`, with room for windows before them."""

    grid: Grid
    first: int
    series: int
    begin: int
    end: int
    room: int
    own: tuple[str | None, str] = (None, "series")
    _cells: dict[tuple[str, str, str | None], Cells] = field(default_factory=dict)

    @cached_property
    def steps(self) -> Steps:
        times = time_of(np.arange(self.begin, self.end), self.grid.granularity)
        return Steps(pd.DatetimeIndex(times), self.grid.granularity)

    def cells(self, metric_type: str | None, across: str | None) -> Cells:
        key = (metric_type or str(self.own[0]), self.own[1], across)
        if key not in self._cells:
            self._cells[key] = self._placed(self.grid.observed[key])
        return self._cells[key]

    def labels(self, key: str) -> Sequence[str | None]:
        return self.grid.texts(key)[self.first : self.first + self.series]

    def fill(self, into: Floats, rows: Observed, wanted: Wanted) -> None:
        """Write the values of some rows."""
        transformation, metric_type, entity = wanted
        self.own = (metric_type, entity)
        found = compute(transformation, self)
        whole = np.broadcast_to(found, (self.series, self.end - self.begin))
        if len(into) == whole.size:
            into.reshape(whole.shape)[:] = whole
        else:
            into[:] = whole[rows.row - self.first, rows.step - self.begin]

    def _placed(self, observed: Observed) -> Cells:
        some = observed.between(self.first, self.first + self.series)
        steps = self.end - self.begin
        values = np.full((self.series, self.room + steps), np.nan)
        if len(some.step) == self.series * steps and some.step.max() < self.end:
            values[:, self.room :] = some.y.reshape(self.series, steps)
        else:
            inside = some.step < self.end
            row, step = some.row[inside] - self.first, some.step[inside] - self.begin + self.room
            values[row, step] = some.y[inside]
        return Cells(values)


def step_of(ds: Times, granularity: str) -> Ints:
    """The step that each time (UTC) lies in."""
    if granularity == "weekly":
        return np.floor_divide(ds.astype("datetime64[D]").astype(np.int64) + MONDAY, 7)
    return ds.astype(UNITS[granularity]).view(np.int64)


def time_of(step: Ints, granularity: str) -> Times:
    """The time at which each step begins."""
    if granularity == "weekly":
        return (step * 7 - MONDAY).astype("datetime64[D]").astype("datetime64[ns]")
    return step.astype(UNITS[granularity]).astype("datetime64[ns]")


UNITS = {"hourly": "datetime64[h]", "daily": "datetime64[D]", "monthly": "datetime64[M]"}
MONDAY = 3  # 1970-01-01 was a Thursday

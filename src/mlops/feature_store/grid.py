"""Observations of many series on their steps, and features of any rows of them, a few series at a time.

Steps are counted from 1970. Weeks, and quarters and years, begin with each series' own weekday or month; where two
series stand in the array and where the array begins changes nothing about their features.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from mlops.arrays import Floats, Ints, Times
from mlops.domain.granularity import Granularity
from mlops.features.cells import Cells
from mlops.features.kernels import Steps
from mlops.features.transformations import Transformation, compute, dated, room
from mlops.times import UTC

__all__ = ["Clock", "Grid", "Ints", "Observed", "Times", "Wanted", "anchors_of", "step_of", "time_of"]

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


class Clock(NamedTuple):
    """The anchor of a series' steps, and its time zone."""

    anchor: int
    zone: str = UTC


USUAL = Clock(0)


@dataclass(frozen=True, slots=True)
class Grid:
    """What features of some series are computed from: observations by (metric type, entity, across), and labels.

    `clocks` has how each series begins its steps, and by which clock its calendar goes.
    """

    granularity: Granularity
    clocks: Sequence[Clock]
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
        for first in range(0, len(self.clocks), TOGETHER):
            some = rows.between(first, first + TOGETHER)
            part = _Part(self, first, self.clocks[first : first + TOGETHER], begin, end, before)
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
    clocks: Sequence[Clock]
    begin: int
    end: int
    room: int
    own: tuple[str | None, str] = (None, "series")
    clock: Clock = USUAL
    """That of the series that are computed now."""
    _cells: dict[tuple[str, str, str | None], Cells] = field(default_factory=dict)
    _steps: dict[Clock, Steps] = field(default_factory=dict)

    @property
    def series(self) -> int:
        return len(self.clocks)

    @property
    def steps(self) -> Steps:
        if self.clock not in self._steps:
            anchored = replace(self.grid.granularity, anchor=self.clock.anchor)
            self._steps[self.clock] = Steps.between(self.begin, self.end, anchored, self.clock.zone)
        return self._steps[self.clock]

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
        whole = self._whole(transformation)
        if len(into) == whole.size:
            into.reshape(whole.shape)[:] = whole
        else:
            into[:] = whole[rows.row - self.first, rows.step - self.begin]

    def _whole(self, transformation: Transformation) -> Floats:
        """A value per series and step; where the calendar counts, by series that live by the same clock."""
        shape = (self.series, self.end - self.begin)
        self.clock, *others = sorted(set(self.clocks)) if dated(transformation) else self.clocks[:1]
        whole = np.broadcast_to(compute(transformation, self), shape)
        for clock in others:
            self.clock = clock
            alike = np.array([one == clock for one in self.clocks])[:, None]
            whole = np.where(alike, compute(transformation, self), whole)
        return whole

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


def anchors_of(ds: Times, row: Ints, many: int, granularity: Granularity) -> Ints:
    """The anchor of each of `many` series, whose times are in order; the usual one where its times differ in it."""
    found = np.zeros(many, dtype=np.int64)
    if granularity.anchors == 1 or not len(ds):
        return found
    anchor = granularity.anchor_of(ds)
    begins = np.flatnonzero(np.r_[True, row[1:] != row[:-1]])
    least, most = (of.reduceat(anchor, begins) for of in (np.minimum, np.maximum))
    found[row[begins]] = np.where(least == most, least, 0)
    return found


def step_of(ds: Times, granularity: Granularity, anchors: Ints | int = 0) -> Ints:
    """The step that each time (UTC) lies in, where steps have one anchor or each time its own."""
    if granularity.anchors == 1:
        return granularity.number(ds)
    each = np.broadcast_to(anchors, ds.shape)
    found = np.empty(ds.shape, dtype=np.int64)
    for anchor in np.unique(each):
        rows = each == anchor
        found[rows] = replace(granularity, anchor=int(anchor)).number(ds[rows])
    return found


def time_of(step: Ints, granularity: Granularity, anchors: Ints | int = 0) -> Times:
    """The time at which each step begins, where steps have one anchor or each its own."""
    each = np.broadcast_to(anchors, step.shape)
    found = np.empty(step.shape, dtype="datetime64[ns]")
    for anchor in np.unique(each):
        rows = each == anchor
        found[rows] = replace(granularity, anchor=int(anchor)).start(step[rows])
    return found

"""Features of the rows of the feature store: observations of many series on their steps, a few series at a time.

Steps are counted from 1970. Weeks, and quarters and years, begin with each series' own weekday or month; where two
series stand in the array and where the array begins changes nothing about their features.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops.arrays import Floats, Ints, Times
from mlops.domain.features import FeatureDefinition, FeatureSet, Selection
from mlops.domain.granularity import GRANULARITIES, Granularity
from mlops.errors import BadInput
from mlops.features.cells import Cells
from mlops.features.kernels import Steps
from mlops.features.point import Inputs, Point, Source
from mlops.features.smoothed import smoothing_forecasts
from mlops.features.transformations import (
    Column,
    Transformation,
    column_of,
    compute,
    dated,
    parse_transformation,
    reach,
    room,
    smoothed,
    uses,
)
from mlops.panels.calendar import Calendar
from mlops.panels.panel import Panel
from mlops.times import UTC

__all__ = [
    "Clock",
    "FeatureGrid",
    "SourceValues",
    "anchors_of",
    "checked",
    "framed",
    "from_frame",
    "observed_of",
    "step_of",
    "time_of",
]

TOGETHER = 64
"""Series that are computed together: their steps fit into a processor's cache. Smoothing shares effects among all."""


@dataclass(frozen=True, slots=True)
class SourceValues:
    """One value per row, sorted by `row` (the place of its series) and `step`."""

    row: Ints
    step: Ints
    ds: Times
    y: Floats

    def between(self, first: int, last: int) -> "SourceValues":
        """What belongs to the series from `first` to before `last`."""
        begin, end = np.searchsorted(self.row, [first, last])
        return self.where(slice(begin, end))

    def where(self, chosen: npt.NDArray[Any] | slice) -> "SourceValues":
        """Some of the rows."""
        return SourceValues(self.row[chosen], self.step[chosen], self.ds[chosen], self.y[chosen])


class Clock(NamedTuple):
    """The anchor of a series' steps, and its time zone."""

    anchor: int
    zone: str = UTC


USUAL = Clock(0)


@dataclass(frozen=True, slots=True)
class FeatureGrid:
    """What features of some series are computed from: observations by source, and labels.

    A row of a time is the step after the origin before it. `clocks` has how each series begins its steps, and by which
    clock its calendar goes.
    """

    granularity: Granularity
    clocks: Sequence[Clock]
    observed: Mapping[Source, SourceValues]
    texts: Callable[[str], Sequence[str | None]] = lambda _: ()

    def table(self, rows: SourceValues, wanted: Sequence[Column]) -> Floats:
        """A value per wanted column and row (columns × rows); NaN where it can't be told."""
        found = np.empty((len(wanted), len(rows.row)))
        if not len(rows.row):
            return found
        begin, end = self._span(rows, to_the_end=any(reach(transformation) is None for transformation, _ in wanted))
        before = max((room(transformation) for transformation, _ in wanted), default=0)
        done = 0
        size = len(self.clocks) if any(uses(transformation, smoothed) for transformation, _ in wanted) else TOGETHER
        for first in range(0, len(self.clocks), size):
            some = rows.between(first, first + size)
            part = _Part(self, first, self.clocks[first : first + size], begin, end, before)
            with np.errstate(over="ignore", under="ignore", invalid="ignore"):
                for place, one in enumerate(wanted):
                    part.fill(found[place, done : done + len(some.row)], some, one)
            done += len(some.row)
        return found

    def _span(self, rows: SourceValues, *, to_the_end: bool) -> tuple[int, int]:
        """The first step that anything is known of, and the one after the last row (or after all that is known)."""
        known = [values.step for values in self.observed.values() if len(values.step)]
        first = min([*(int(step.min()) for step in known), int(rows.step.min())])
        last = max([*(int(step.max()) for step in known if to_the_end), int(rows.step.max())])
        return first, last + 1


class _Part(Inputs):
    """Some series of a grid from the step `begin` (position 0) to before `end`, with room for windows before them."""

    def __init__(self, grid: FeatureGrid, first: int, clocks: Sequence[Clock], begin: int, end: int, room: int) -> None:
        super().__init__()
        self.granularity = grid.granularity
        self._grid, self._first, self._clocks = grid, first, clocks
        self._begin, self._end, self._room = begin, end, room
        self._clock = USUAL
        """That of the series that are computed now."""
        self._cells: dict[Source, Cells] = {}
        self._forecasts: dict[object, Floats] = {}
        self._seen: dict[object, Floats] = {}

    @property
    def _series(self) -> int:
        return len(self._clocks)

    def steps(self) -> Steps:
        anchored = replace(self.granularity, anchor=self._clock.anchor)
        return Steps.between(self._begin, self._end, anchored, self._clock.zone)

    def dated(self, key: object, compute: Callable[[Steps], Floats]) -> Floats:
        return super().dated((self._clock, key), compute)

    def cells(self, source: Source) -> Cells:
        if source not in self._cells:
            self._cells[source] = self._placed(self._grid.observed[source])
        return self._cells[source]

    def labels(self, key: str) -> Sequence[str | None]:
        return self._grid.texts(key)[self._first : self._first + self._series]

    def newest(self, source: Source) -> int:
        return int(self._grid.observed[source].step.max(initial=self._begin)) - self._begin

    def smoothed(self, source: Source, country: str | None, origins: Ints, step: int) -> Floats:
        key = (self._clock, source, country, step)
        if key not in self._forecasts:
            steps, values = self.steps(), self.cells(source)  # by the clock of now
            y = values.values[:, -values.first :]
            panel = Panel(pd.RangeIndex(self._series), steps.local, y, steps.granularity, zone=UTC)
            forecasts = smoothing_forecasts(panel, Calendar.of(country), range(len(panel.index)), step)
            self._forecasts[key] = forecasts[:, :, step - 1].T.astype(np.float32).astype(float)  # as models keep them
        return np.where(origins >= 0, self._forecasts[key][:, np.maximum(origins, 0)], np.nan)

    def fill(self, into: Floats, rows: SourceValues, wanted: Column) -> None:
        """Write the values of some rows."""
        whole = self._whole(*wanted)
        if len(into) == whole.size:
            into.reshape(whole.shape)[:] = whole
        else:
            into[:] = whole[rows.row - self._first, rows.step - self._begin]

    def _whole(self, transformation: Transformation, own: Source) -> Floats:
        """A value per series and step; where the calendar counts, by series that live by the same clock."""
        steps = self._end - self._begin
        self._clock, *others = sorted(set(self._clocks)) if dated(transformation) else self._clocks[:1]
        at = Point(self, range(-1, steps - 1), 1, own, seen=self._seen)
        whole = np.broadcast_to(compute(transformation, at), (self._series, steps))
        for clock in others:
            self._clock = clock
            alike = np.array([other == clock for other in self._clocks])[:, None]
            whole = np.where(alike, compute(transformation, at), whole)
        return whole

    def _placed(self, observed: SourceValues) -> Cells:
        some = observed.between(self._first, self._first + self._series)
        steps = self._end - self._begin
        values = np.full((self._series, self._room + steps), np.nan)
        if len(some.step) == self._series * steps and some.step.max() < self._end:
            values[:, self._room :] = some.y.reshape(self._series, steps)
        else:
            inside = some.step < self._end
            row, step = some.row[inside] - self._first, some.step[inside] - self._begin + self._room
            values[row, step] = some.y[inside]
        return Cells(values, -self._room)


def observed_of(frame: pd.DataFrame, granularity: Granularity) -> tuple[npt.NDArray[Any], SourceValues, Ints]:
    """The series ids of a frame `series_id, ds, y`, its observations in order, and the anchors of the series."""
    codes, ids = _codes(frame["series_id"].to_numpy())
    ds, y = frame["ds"].to_numpy("datetime64[ns]"), frame["y"].to_numpy(float)
    observed = SourceValues(codes, granularity.number(ds), ds, y)
    if np.isnan(y.sum()):
        observed = observed.where(~np.isnan(y))
    key = (observed.row << 32) + observed.step
    ordered = len(key) < 2 or np.diff(key).min() > 0
    if not ordered:
        observed = observed.where(np.argsort(key, kind="stable"))
    anchors = anchors_of(observed.ds, observed.row, len(ids), granularity)
    if anchors.any():
        observed = replace(observed, step=step_of(observed.ds, granularity, anchors[observed.row]))
    return ids, observed if ordered else checked(observed, ids, granularity), anchors


def _codes(series: npt.NDArray[Any]) -> tuple[Ints, npt.NDArray[Any]]:
    """The place of each row's series among all, and all series in order."""
    begins = np.flatnonzero(np.r_[True, series[1:] != series[:-1]][: len(series)])
    ids, place = np.unique(series[begins], return_inverse=True)
    return np.repeat(place.astype(np.int64), np.diff(np.r_[begins, len(series)])), ids


def checked(observed: SourceValues, ids: npt.NDArray[Any], granularity: Granularity) -> SourceValues:
    """The same, unless a series has two values in one step."""
    twice = np.flatnonzero((np.diff(observed.row) == 0) & (np.diff(observed.step) == 0))
    if len(twice):
        first, second = observed.ds[twice[0]], observed.ds[twice[0] + 1]
        raise BadInput(
            f"series {ids[observed.row[twice[0]]]} is {granularity} and has two values in one step, at {first} and"
            f" {second} UTC; give it its own granularity, or remove one"
        )
    return observed


def from_frame(frame: pd.DataFrame, features: Sequence[FeatureDefinition], granularity: str = "daily") -> pd.DataFrame:
    """`series_id, ds, y` of a frame, sorted, with a column per feature of its one metric type; no database is asked."""
    source = next((definition.source_metric_types[0] for definition in features if definition.source_metric_types), "")
    ids, observed, anchors = observed_of(frame, GRANULARITIES[granularity])
    clocks = [Clock(int(anchor)) for anchor in anchors]
    grid = FeatureGrid(GRANULARITIES[granularity], clocks, {Source(source): observed})
    return framed(ids, grid, observed, FeatureSet("", Selection(source, granularity), tuple(features)))


def framed(
    ids: Any, grid: FeatureGrid, rows: SourceValues, feature_set: FeatureSet, *, labelled: bool = True
) -> pd.DataFrame:
    """The frame of some rows; with `labelled` without those whose label can't be told."""
    label: Column = parse_transformation(feature_set.label), Source(feature_set.selection.metric_type)
    given = str(label[0]) == "value"
    table = grid.table(
        rows, [column_of(definition) for definition in feature_set.features] + ([] if given else [label])
    )
    count = len(feature_set.features)
    frame = pd.DataFrame(table[:count].T, columns=list(feature_set.names), copy=False)
    frame.insert(0, "series_id", np.asarray(ids)[rows.row])
    frame.insert(1, "ds", rows.ds)
    frame.insert(2, "y", rows.y if given else table[count])
    narrow = {definition.name: definition.dtype for definition in feature_set.features if definition.dtype != "float64"}
    frame = frame.astype(narrow) if narrow else frame
    return frame if given or not labelled else frame[frame["y"].notna()].reset_index(drop=True)


def anchors_of(ds: Times, row: Ints, many: int, granularity: Granularity) -> Ints:
    """The anchor of each of `many` series, whose times are in order; the usual one where its times differ in it."""
    anchors = np.zeros(many, dtype=np.int64)
    if granularity.anchors == 1 or not len(ds):
        return anchors
    anchor = granularity.anchor_of(ds)
    begins = np.flatnonzero(np.r_[True, row[1:] != row[:-1]])
    least, most = (of.reduceat(anchor, begins) for of in (np.minimum, np.maximum))
    anchors[row[begins]] = np.where(least == most, least, 0)
    return anchors


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

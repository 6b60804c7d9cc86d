"""Where a feature is computed: of some series, at some origins, a step ahead.

A feature has one way to be computed, whoever asks: a training (many origins, each step ahead), a forecast (one origin),
or the feature store, whose row of a time is the step after the origin before it.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from mlops.arrays import Floats, Ints
from mlops.domain.granularity import Granularity
from mlops.features.cells import Cells
from mlops.features.kernels import Steps
from mlops.panels.panel import SMALLEST_LEVEL

__all__ = ["Inputs", "Point", "Source"]

LEVEL_CYCLES, SCALE_CYCLES, LEAST_LEVEL = 4, 52, 0.05
"""A level is the mean of so many cycles, and at least so much of that of so many newest ones. Chosen, not measured."""


class Source(NamedTuple):
    """Whose values: a metric type measured on an entity, and how several series of a place are put together."""

    metric_type: str
    entity: str = "series"
    across: str | None = None

    @property
    def column(self) -> str:
        """What a column of its values is called beside those of the series that is forecast."""
        if self.entity == "series" and self.across is None:
            return self.metric_type
        return f"{self.metric_type} ({self.entity} {self.across})"


class Inputs(ABC):
    """What features of some series are computed from; steps are known by their positions on one calendar."""

    granularity: Granularity

    def __init__(self) -> None:
        self._windows: dict[tuple[object, Source], Cells] = {}
        self._dated: dict[object, Floats] = {}
        self._floors: dict[Source, Floats] = {}

    @abstractmethod
    def cells(self, source: Source) -> Cells:
        """Values of a source of each series."""

    @abstractmethod
    def labels(self, key: str) -> Sequence[str | None]:
        """A label of each series."""

    @abstractmethod
    def steps(self) -> Steps:
        """The calendar from position 0 on."""

    @abstractmethod
    def newest(self, source: Source) -> int:
        """The position of the newest step at which anything is known of a source."""

    @abstractmethod
    def smoothed(self, source: Source, country: str | None, origins: Ints, step: int) -> Floats:
        """What exponential smoothing forecasts from each origin for the step (series × origins)."""

    def windows(self, key: object, source: Source, memory: int, compute: Callable[[Cells], Floats]) -> Cells:
        """What `compute` makes of windows of `memory` steps, by the position of their newest value; computed once.

        A window that begins before anything is known is a window all the same.
        """
        if (key, source) not in self._windows:
            cells = self.cells(source)
            more = max(memory - 1 + cells.first, 0)
            if more:
                cells = Cells(np.pad(cells.values, ((0, 0), (more, 0)), constant_values=np.nan), cells.first - more)
            found = compute(cells)
            begins = cells.first + cells.values.shape[1] - found.shape[1]
            self._windows[key, source] = Cells(found, begins)
        return self._windows[key, source]

    def dated(self, key: object, compute: Callable[[Steps], Floats]) -> Floats:
        """What `compute` makes of the calendar, from position 0 on; computed once."""
        if key not in self._dated:
            self._dated[key] = compute(self.steps())
        return self._dated[key]

    def floor(self, source: Source) -> Floats:
        """What the level of each series is never below (series × 1)."""
        if source not in self._floors:
            newest = np.array([self.newest(source)])
            scale = self.cells(source).running_mean(newest, SCALE_CYCLES * self.granularity.block)
            self._floors[source] = np.maximum(np.nan_to_num(np.abs(scale)) * LEAST_LEVEL, SMALLEST_LEVEL)
        return self._floors[source]


@dataclass(frozen=True)
class Point:
    """Some inputs at `origins`, the positions of the newest step that may be seen, looking `step` steps ahead.

    `own` is the source that a transformation works on when it names none. Where `relative` is set, values are divided
    by the level of their series at the origin. `seen` keeps what is asked more than once at these origins.
    """

    inputs: Inputs
    origins: Ints | range
    step: int
    own: Source
    relative: bool = False
    seen: dict[object, Floats] = field(default_factory=dict)

    def source(self, of: str | None, across: str | None) -> Source:
        """What a transformation works on."""
        return Source(of or self.own.metric_type, self.own.entity, across)

    @property
    def at(self) -> Ints:
        """The origins as an array."""
        return np.asarray(self.origins)

    def scaled(self, values: Floats, source: Source) -> Floats:
        """Values of a source, over its level where that is wanted."""
        return np.asarray(values / self.level(source)) if self.relative else values

    def level(self, source: Source) -> Floats:
        """Mean of the newest four cycles at each origin, of a year where there is nothing in them; never zero."""
        return self.once(("level", source), lambda: self._level(source))

    def back(self, cells: Cells, steps: int) -> Floats:
        """Columns of cells, `steps` before the target (series × origins); NaN where there is none."""
        ahead = self.step - steps
        if isinstance(self.origins, range):
            begin, end = (place + ahead - cells.first for place in (self.origins.start, self.origins.stop))
            if begin >= 0 and end <= cells.values.shape[1]:
                return cells.values[:, begin:end]
        columns = self.at + ahead - cells.first
        if len(columns) and columns.min() >= 0 and columns.max() < cells.values.shape[1]:
            return cells.values[:, columns]
        inside = (columns >= 0) & (columns < cells.values.shape[1])
        return np.where(inside, cells.values[:, np.where(inside, columns, 0)], np.nan)

    def value(self, source: Source, steps: int) -> Floats:
        """The value of a source `steps` before the target, over the level where that is wanted; NaN for none."""
        key = ("value", source, self.step - steps, self.relative)
        return self.once(key, lambda: self.scaled(self.back(self.inputs.cells(source), steps), source))

    def season(self, source: Source, season: int, count: int) -> Floats:
        """The newest `count` values of the target's place in a season, newest first (count × series × origins)."""
        newest = season * -(-self.step // season)
        return np.stack([self.value(source, newest + season * number) for number in range(count)])

    def once(self, key: object, compute: Callable[[], Floats]) -> Floats:
        """What was computed of these origins already."""
        if key not in self.seen:
            self.seen[key] = compute()
        return self.seen[key]

    def _level(self, source: Source) -> Floats:
        cells, granularity = self.inputs.cells(source), self.inputs.granularity
        recent = cells.running_mean(self.at, LEVEL_CYCLES * granularity.block)
        if np.isnan(recent).any():
            recent = np.where(np.isnan(recent), cells.running_mean(self.at, granularity.year), recent)
        return np.asarray(np.maximum(np.nan_to_num(np.abs(recent)), self.inputs.floor(source)))

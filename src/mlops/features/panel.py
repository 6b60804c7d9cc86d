"""Features of a panel: what a model is trained on and asked with, and what a monitor watches."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops.arrays import Floats, Ints, Singles
from mlops.features.cells import Cells
from mlops.features.kernels import Steps
from mlops.features.point import Inputs, Point, Source
from mlops.features.smoothed import smoothing_forecasts
from mlops.features.transformations import Column, Transformation, compute
from mlops.panels.calendar import Calendar
from mlops.panels.panel import Panel

__all__ = ["PanelInputs"]

LARGEST = 1e30  # a ratio that a float of 32 bits can hold; trees only ask which is larger
SPARE = 31
"""Steps after a year that the calendar reaches beyond the panel, so that holidays ahead of a target are seen."""


class PanelInputs(Inputs):
    """The values of a panel, those that stand beside them, and its calendar with the events that were known at its end.

    `target` is the metric type of the panel's own values; other sources are columns of its `extra`. Forecasts by
    smoothing reach `horizon` steps ahead.
    """

    def __init__(
        self,
        panel: Panel,
        known: Calendar,
        horizon: int,
        *,
        target: str = "",
        labels: Mapping[str, Sequence[str | None]] | None = None,
    ) -> None:
        super().__init__()
        self.panel, self.known, self.horizon, self.target = panel, known.announced_by(panel.cutoff), horizon, target
        self.granularity, self._labels = panel.granularity, labels or {}
        self._own = Cells(panel.y)
        self._forecasts: dict[tuple[Source, str | None, int], npt.NDArray[np.float32]] = {}
        self._seen: tuple[Ints, dict[object, Floats]] = np.empty(0, np.int64), {}

    def matrix(self, columns: Sequence[Column], origins: Ints, step: int) -> Singles:
        """Features shaped (series × origins, columns); `origins` are positions of the newest step that may be seen."""
        found = np.empty((len(self.panel.ids), len(origins), len(columns)), np.float32)
        for place, (transformation, own) in enumerate(columns):
            values = compute(transformation, self.at(origins, step, own))
            found[:, :, place] = np.clip(values, -LARGEST, LARGEST)
        return found.reshape(-1, len(columns))

    def level(self, origins: Ints) -> Floats:
        """The level of the panel's own values at each origin (series × origins)."""
        return self.at(origins, 1, self.own).level(self.own)

    def at(self, origins: Ints, step: int, own: Source) -> Point:
        """These origins, looking ahead; what was computed of them for another step already is kept."""
        if self._seen[0] is not origins:
            self._seen = origins, {}
        return Point(self, origins, step, own, seen=self._seen[1])

    @property
    def own(self) -> Source:
        """The panel's own values."""
        return Source(self.target)

    def cells(self, source: Source) -> Cells:
        return self._own if source == self.own else Cells(self.panel.extra[source.column])

    def labels(self, key: str) -> Sequence[str | None]:
        return self._labels.get(key, [None] * len(self.panel.ids))

    def steps(self) -> Steps:
        index, ahead = self.panel.index, max(self.granularity.year + SPARE, self.horizon)
        times = pd.DatetimeIndex(index.append(self.panel.future(ahead)))
        return Steps(times, self.granularity, named=self.known, ids=self.panel.ids, before=0)

    def newest(self, source: Source) -> int:  # noqa: ARG002  all end with the panel
        return len(self.panel.index) - 1

    def smooth(self, columns: Sequence[Column], origins: Ints, effects_of: Panel | None = None) -> None:
        """Forecast by smoothing from origins, all in one pass over the history; they are kept.

        The effects of named days are measured in `effects_of` (None: in the whole panel, as for learning). Nothing is
        done where no column asks for it.
        """
        for transformation, own in columns:
            for source, country in _smoothed_in(transformation, own):
                self._smooth(source, country, origins, effects_of)

    def smoothed(self, source: Source, country: str | None, origins: Ints, step: int) -> Floats:
        self._smooth(source, country, origins, None)
        found = [self._forecasts[source, country, int(origin)][:, step - 1] for origin in origins]
        return np.stack(found, axis=1).astype(float)

    def _smooth(self, source: Source, country: str | None, origins: Ints, effects_of: Panel | None) -> None:
        new = [origin for origin in sorted(set(origins.tolist())) if (source, country, origin) not in self._forecasts]
        if not new:
            return
        panel, calendar = self.panel, replace(self.known, country=country)
        if source != self.own:
            panel, effects_of = replace(panel, y=panel.extra[source.column][:, : len(panel.index)]), None
        forecasts = smoothing_forecasts(panel, calendar, new, self.horizon, effects_of=effects_of).astype(np.float32)
        for origin, forecast in zip(new, forecasts, strict=True):
            self._forecasts[source, country, origin] = forecast


def _smoothed_in(transformation: Transformation, own: Source) -> list[tuple[Source, str | None]]:
    """The sources that a transformation smooths, with the country of the named days."""
    given = transformation.given
    if transformation.name == "smoothed":
        return [(Source(given.get("of") or own.metric_type, own.entity, given.get("across")), given.get("country"))]
    inner = (argument for argument in given.values() if isinstance(argument, Transformation))
    return [found for one in inner for found in _smoothed_in(one, own)]

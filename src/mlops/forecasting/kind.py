"""What a model kind is: fitted on a panel, it forecasts, explains and is saved. A new kind subclasses `Forecaster`.

A kind says how it learns and forecasts (`_fit`, `_predict`), what its forecasts are made of (`_parts`) and what of it
is kept (`_save`, `_load`). The calibration backtest, limits and intervals are the same for all kinds, and are here.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar, Self

import numpy as np
import pandas as pd

from mlops.arrays import Floats
from mlops.domain.canonical import JsonObject, Parameters
from mlops.errors import HistoryTooShort, UnknownName
from mlops.forecasting.intervals import Intervals, within
from mlops.forecasting.out_of_sample import OutOfSample, calibration_backtest, calibration_origins
from mlops.panels.arguments import whole_number
from mlops.panels.calendar import Calendar, Events
from mlops.panels.categories import NUMBERS
from mlops.panels.panel import Panel
from mlops.panels.service_calendar import memory
from mlops.parallel import one_thread

__all__ = ["COMPONENTS", "PanelForecaster", "summed"]

ABSENCE = ("nothing", "zero")
COMPONENTS = ("trend", "weekly", "yearly", "holidays", "residual")
"""What a forecast is made of; `weekly` is the cycle of the frequency (of hours the day, of months the year)."""


class PanelForecaster(ABC):
    """A model of the series of one panel: they begin their steps together and live by one clock."""

    kind: ClassVar[str]
    features: tuple[str, ...] = ("value",)
    """Names of the inputs; of kinds that have none of their own the observed value."""
    knows_new_series: ClassVar[bool] = True
    """Whether a series that was not in the training data can be forecast from its history."""
    extrapolates: ClassVar[bool] = False
    """Whether point forecasts may leave what the history of their series supports (`forecasting.intervals`)."""
    search: ClassVar[Mapping[str, object]] = MappingProxyType({})
    """What tuning tries by itself, by parameter: a list, or `low`, `high` and perhaps `log`; empty: nothing to tune."""
    inner: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """Which parameter holds the parameters of which other kind: `settings.lightgbm` those of `lightgbm`."""
    defaults: ClassVar[Mapping[str, Parameters]] = MappingProxyType({})
    """Parameters of these other kinds that differ from their own defaults."""
    refit: bool = True
    """Whether it is fitted again on everything after the calibration backtest; else the model of that is kept."""

    def __init__(
        self,
        *,
        freq: str | None = None,
        country: str | None = None,
        horizon: int = 28,
        events: Events = (),
        covariates: Sequence[str] | str = (),
        absence: str = "nothing",
    ) -> None:
        whole_number("horizon", horizon, least=1)
        self.freq, self.country, self.horizon = freq, country, int(horizon)
        self.calendar = Calendar.of(country, events)
        self.covariates = (covariates,) if isinstance(covariates, str) else tuple(covariates)
        self.absence = absence
        if absence not in ABSENCE:
            raise UnknownName("absence", absence, ABSENCE)
        self._history: Panel
        self._trained: pd.Timestamp
        """The newest step of the training, by the clock of the history."""
        self._out_of_sample: OutOfSample
        self.coding = NUMBERS
        """How its covariates become numbers."""

    @property
    def sources(self) -> tuple[str, ...]:
        """Further columns of a frame that its features are computed from; they need not be known ahead."""
        return ()

    @property
    def params(self) -> JsonObject:
        """The constructor's arguments: `type(self)(**self.params)` is this forecaster, unfitted."""
        params: JsonObject = {"freq": self.freq, "country": self.country, "horizon": self.horizon}
        if self.calendar.events:
            params["events"] = [event.to_json() for event in self.calendar.events]
        params |= {"absence": self.absence} if self.absence != "nothing" else {}
        return params | ({"covariates": list(self.covariates)} if self.covariates else {})

    @one_thread()
    def fit_panel(self, panel: Panel, origins: range | None = None) -> Self:
        """`fit` on a panel; `origins` are the positions to backtest from (None: those of `calibration_origins`)."""
        origins = calibration_origins(panel) if origins is None else origins
        self.coding, panel = panel.coding, panel.with_static(self.horizon)
        if not origins or origins[0] + 1 < 2 * panel.granularity.block:
            longest = int((~np.isnan(panel.y)).sum(axis=1).max())
            raise HistoryTooShort(panel.ids[0], longest, panel.granularity.need)
        self._out_of_sample = self._calibration_backtest(panel, origins)
        if self.refit:
            self._fit(panel)
        self._history = panel.last(max(self._memory(panel), memory(panel)))
        self._trained = panel.cutoff
        return self

    def forecast(self, panel: Panel, horizon: int) -> tuple[Floats, OutOfSample]:
        """Point forecasts, and the out-of-sample forecasts before them."""
        return self.point(panel, horizon), self.out_of_sample(panel)

    def point(self, panel: Panel, horizon: int) -> Floats:
        """Point forecasts (series × steps) within the limits of their series; the mean of short series.

        Never below zero where the series never was, also of a kind that `extrapolates`.
        """
        return self._limited(np.where(panel.short[:, None], _means(panel), self._predict(panel, horizon)), panel)

    def parts(self, panel: Panel, horizon: int) -> dict[str, Floats]:
        """Named contributions (series × steps) that sum to the point forecast.

        `mean` is all that there is of short series, `limit` is what keeps a forecast above zero, and within the limits
        of its series.
        """
        short = panel.short[:, None]
        parts = {name: np.where(short, 0.0, part) for name, part in self._parts(panel, horizon).items()}
        if short.any():
            parts["mean"] = np.repeat(np.where(short, _means(panel), 0.0), horizon, axis=1)
        total = summed(parts)
        return parts | {"limit": self._limited(total, panel) - total}

    def composed(self, panel: Panel, horizon: int) -> tuple[dict[str, Floats], OutOfSample]:
        """`forecast`, with the parts in place of the point forecasts."""
        return self.parts(panel, horizon), self.out_of_sample(panel)

    def component(self, part: str) -> str:
        """Which of COMPONENTS a part belongs to."""
        return "trend" if part == "mean" else part if part in COMPONENTS else "residual"

    def out_of_sample(self, panel: Panel) -> OutOfSample:
        """What would have been forecast: in the calibration backtest, and every few steps of newer history."""
        out_of_sample = self._out_of_sample.with_outcomes(panel)
        first = int(panel.index.get_indexer(pd.Index([self._trained]))[0])
        newest, every = len(panel.index) - 1, panel.granularity.every
        if first < 0 or newest <= first:
            return out_of_sample
        since = range(first, newest, every)[-12:]
        return out_of_sample.then(self._from_origins(panel, since))

    def bounded(
        self, panel: Panel, horizon: int, levels: Sequence[int], *, decompose: bool
    ) -> tuple[dict[str, Floats], OutOfSample]:
        """Point forecasts, bounds, and components where asked for; and the past forecasts behind the bounds."""
        components: dict[str, Floats] = {}
        if decompose:
            parts, out_of_sample = self.composed(panel, horizon)
            y_hat, components = summed(parts), self.gathered(parts)
        else:
            y_hat, out_of_sample = self.forecast(panel, horizon)
        bounds = Intervals.of(out_of_sample, panel, never_negative=panel.never_negative).bounds(panel, y_hat, levels)
        return {"y_hat": y_hat, **bounds, **components}, out_of_sample

    def gathered(self, parts: Mapping[str, Floats]) -> dict[str, Floats]:
        """Parts summed by component; a component without a part is zero."""
        components = {component: np.zeros_like(next(iter(parts.values()))) for component in COMPONENTS}
        for part, values in parts.items():
            components[self.component(part)] = components[self.component(part)] + values
        return components

    @abstractmethod
    def _fit(self, panel: Panel) -> None:
        """Learn from the whole panel."""

    @abstractmethod
    def _predict(self, panel: Panel, horizon: int) -> Floats:
        """Point forecasts, one row per series of `panel`, one column per step after its cutoff."""

    @abstractmethod
    def _parts(self, panel: Panel, horizon: int) -> dict[str, Floats]:
        """Named contributions that sum to `_predict`."""

    @abstractmethod
    def _save(self, folder: Path) -> None: ...

    @abstractmethod
    def _load(self, folder: Path) -> None: ...

    def _memory(self, panel: Panel) -> int:
        """How many steps of history a prediction looks back on."""
        return panel.granularity.year + 13 * panel.granularity.block

    def _calibration_backtest(self, panel: Panel, origins: range) -> OutOfSample:
        """Forecasts from the origins by a model that was fitted on what the first of them knew."""
        self._fit(panel.until(origins[0] + 1))
        return self._from_origins(panel, origins)

    def _from_origins(self, panel: Panel, origins: range) -> OutOfSample:
        """Forecasts from the origins by the model as it is fitted."""
        return calibration_backtest(panel, origins, self.horizon, self._predict_past)

    def _predict_past(self, panel: Panel, horizon: int) -> Floats:
        """Point forecasts from a past origin; NaN where a covariate of the steps ahead is missing."""
        return self.point(panel, horizon)

    def _limited(self, y_hat: Floats, panel: Panel) -> Floats:
        if self.extrapolates:
            return np.where(panel.never_negative[:, None], np.maximum(y_hat, 0), y_hat)
        return within(y_hat, panel)

    @property
    def _inputs(self) -> tuple[str, ...]:
        """The columns of its covariates in a panel."""
        return self.coding.names(self.covariates)


def summed(parts: Mapping[str, Floats]) -> Floats:
    return np.asarray(np.sum(list(parts.values()), axis=0))


def _means(panel: Panel) -> Floats:
    """The mean of each series (series × 1), 0 without a value."""
    seen = ~np.isnan(panel.y)
    return np.asarray(np.nansum(panel.y, axis=1) / np.maximum(seen.sum(axis=1), 1))[:, None]

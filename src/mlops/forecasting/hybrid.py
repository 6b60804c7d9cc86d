"""Prophet of the logarithm, and exponential smoothing of what it misses."""

from collections.abc import Sequence
from dataclasses import replace
from functools import reduce
from pathlib import Path
from types import MappingProxyType
from typing import Self

import numpy as np
import pandas as pd

from mlops.arrays import Floats
from mlops.domain.canonical import JsonObject, Parameters
from mlops.features.smoothed import smooth
from mlops.forecasting.base import Forecaster
from mlops.forecasting.intervals import within
from mlops.forecasting.out_of_sample import OutOfSample, calibration_backtest
from mlops.forecasting.prophet.model import Prophet
from mlops.panels.calendar import Calendar, Events
from mlops.panels.panel import Panel

__all__ = ["Hybrid"]

OFFSET = 0.5
"""Of the level, added before the logarithm: zeros have one, and seasons act nearly as factors (docs/decisions/0009)."""
CYCLES = 39
"""Of the newest history, whose ratios are smoothed: three quarters of a year of weeks. Chosen, not measured."""
REFIT = 6
"""Origins of the calibration backtest between two fits: in between the ratio keeps up. Chosen for its cost."""
LEAST, MOST = 0.1, 5.0
"""Of the level: a fitted value below LEAST is no base for a ratio; MOST is the largest ratio. Chosen, not measured."""


class Hybrid(Forecaster):
    """Prophet's trend, seasons and holidays, times what smoothing forecasts for the ratio of outcomes to them.

    Prophet alone extrapolates a trend that the newest weeks may have left; the ratio brings it back. So newer history
    moves the forecast without a new training. Series that fall below zero are fitted as they are, without the
    logarithm.

    Parameters
    ----------
    settings
        Prophet's, by name: `{"changepoint_prior_scale": 0.1}`.
    """

    kind = "hybrid"
    inner = MappingProxyType({"settings": "prophet"})
    search = MappingProxyType(  # of the logarithm seasons are factors already
        {f"settings.{name}": given for name, given in Prophet.search.items() if name != "seasonality_mode"}
    )
    knows_new_series = False

    def __init__(
        self,
        *,
        freq: str | None = None,
        country: str | None = None,
        horizon: int = 28,
        events: Events = (),
        covariates: Sequence[str] | str = (),
        absence: str = "nothing",
        settings: Parameters | None = None,
    ) -> None:
        super().__init__(
            freq=freq, country=country, horizon=horizon, events=events, covariates=covariates, absence=absence
        )
        self.settings = dict(settings or {})
        self.prophet = Prophet(**super().params, **self.settings)
        self._unit: Floats
        """By series the level when it was fitted; NaN where there is no logarithm."""

    @property
    def params(self) -> JsonObject:
        return super().params | ({"settings": self.settings} if self.settings else {})

    def component(self, part: str) -> str:
        return "trend" if part == "catch-up" else self.prophet.component(part)

    def with_calendar(self, calendar: Calendar) -> Self:
        other = super().with_calendar(calendar)
        other.prophet = self.prophet.with_calendar(calendar)
        return other

    def _fit(self, panel: Panel) -> None:
        self.prophet.coding = panel.coding
        self._unit = np.where(panel.never_negative, panel.unit(), np.nan)
        unit = self._unit[:, None]
        logarithm = np.log(np.maximum(panel.y, 0.0) / unit + OFFSET)
        self.prophet._fit(replace(panel, y=np.where(np.isnan(unit), panel.y, logarithm)))

    def _predict(self, panel: Panel, horizon: int) -> Floats:
        ahead = [panel.ahead(name, horizon) for name in self._inputs]
        return self._prophets(panel, horizon, ahead) * self._ratios(panel, [len(panel.index) - 1], horizon)[0]

    def _parts(self, panel: Panel, horizon: int) -> dict[str, Floats]:
        """Prophet's parts, each as what it adds to the ones before it, and the ratio as `catch-up`."""
        ahead = [panel.ahead(name, horizon) for name in self._inputs]
        total, parts = np.zeros((len(panel.ids), horizon)), {}
        before = total
        for name, part in self.prophet._evaluate(panel, horizon, ahead).items():
            total = total + part
            parts[name] = self._units(panel, total) - before
            before = self._units(panel, total)
        ratio = self._ratios(panel, [len(panel.index) - 1], horizon)[0]
        return parts | {"catch-up": before * (ratio - 1)}

    def _calibration_backtest(self, panel: Panel, origins: range) -> OutOfSample:
        """Prophet is fitted again at some of the origins only: in between the ratio keeps up."""
        blocks = []
        for start in range(0, len(origins), REFIT):
            block = origins[start : start + REFIT]
            self._fit(panel.until(block[0] + 1))
            blocks.append(self._from_origins(panel, block))
        return reduce(OutOfSample.then, blocks)

    def _from_origins(self, panel: Panel, origins: range) -> OutOfSample:
        """The ratios of all origins are smoothed in one pass."""
        ratios = iter(self._ratios(panel.until(origins[-1] + 1), origins, self.horizon))

        def forecast(past: Panel, horizon: int) -> Floats:
            ahead = [panel.covariate(name, len(past.index), horizon) for name in self._inputs]
            return within(self._prophets(past, horizon, ahead) * next(ratios), past)

        return calibration_backtest(panel, origins, self.horizon, forecast)

    def _prophets(self, panel: Panel, horizon: int, ahead: Sequence[Floats]) -> Floats:
        """Prophet's forecasts in units of the series."""
        total = np.sum(list(self.prophet._evaluate(panel, horizon, ahead).values()), axis=0)
        return self._units(panel, total)

    def _units(self, panel: Panel, logarithm: Floats) -> Floats:
        unit = self._units_of(panel)
        exact = np.maximum(np.exp(np.minimum(logarithm, 5.0)) - OFFSET, 0.0) * unit
        return np.where(np.isnan(unit), logarithm, exact)

    def _units_of(self, panel: Panel) -> Floats:
        return np.asarray(self._unit[self.prophet._ids.get_indexer(panel.ids)][:, None])

    def _ratios(self, panel: Panel, origins: Sequence[int], horizon: int) -> list[Floats]:
        """Forecast ratios of outcomes to Prophet's forecasts (series × steps), from their ratios to its fit."""
        wanted = CYCLES * max(panel.granularity.block, panel.granularity.every) + origins[-1] - origins[0]
        start = max(origins[0] + 1 - wanted, 1)
        steps = len(panel.index) - start
        known = [panel.covariate(name, start, steps) for name in self._inputs]
        fitted = self._prophets(panel.until(start), steps, known)
        base = np.maximum(fitted, LEAST * panel.unit()[:, None])
        ratio = np.clip(panel.y[:, start:] / base, 0.0, MOST)
        reach = pd.DatetimeIndex(panel.index[start:].append(panel.future(horizon)))
        at = [origin - start for origin in origins]
        smoothed = smooth(ratio, panel.places(reach), at, horizon, panel.granularity.block)
        return [np.where(np.isnan(self._units_of(panel)), 1.0, ratios) for ratios in smoothed]

    def _memory(self, panel: Panel) -> int:
        return (CYCLES + 1) * max(panel.granularity.block, panel.granularity.every) + panel.granularity.span

    def _save(self, folder: Path) -> None:
        np.savez(folder / "units.npz", unit=self._unit)
        self.prophet._save(folder)

    def _load(self, folder: Path) -> None:
        with np.load(folder / "units.npz", allow_pickle=False) as arrays:
            self._unit = arrays["unit"]
        self.prophet.coding = self.coding
        self.prophet._load(folder)

"""Exponential smoothing as a model: level, season, and the effects of named days."""

from pathlib import Path

import numpy as np

from mlops.arrays import Floats
from mlops.features.smoothed import smoothing_forecasts
from mlops.forecasting.base import Forecaster
from mlops.forecasting.out_of_sample import OutOfSample, calibration_backtest
from mlops.panels.effects import measure
from mlops.panels.panel import Panel

__all__ = ["Smoothing"]


class Smoothing(Forecaster):
    """Level and multiplicative season (Holt-Winters without trend; Hyndman et al., 2008), with clipped errors.

    Every point of a grid of constants is run (`features.smoothed`); a forecast is their mean, weighted by how well each
    has forecast one and two cycles ahead. Named days don't move the state, they multiply it (`panels.effects`).
    """

    kind = "smoothing"

    def _fit(self, panel: Panel) -> None:
        """There is nothing to learn: a prediction passes over the history that it is given."""

    def _predict(self, panel: Panel, horizon: int) -> Floats:
        return np.asarray(smoothing_forecasts(panel, self.calendar, [panel.y.shape[1] - 1], horizon)[0])

    def _from_origins(self, panel: Panel, origins: range) -> OutOfSample:
        """One pass over the history forecasts from every origin."""
        effects = panel.until(origins[0] + 1)
        forecasts = iter(smoothing_forecasts(panel, self.calendar, origins, self.horizon, effects_of=effects))
        return calibration_backtest(panel, origins, self.horizon, lambda _panel, _horizon: next(forecasts))

    def _parts(self, panel: Panel, horizon: int) -> dict[str, Floats]:
        """Level and trend are what is left when season and named days are taken out by their factors."""
        y_hat = self._predict(panel, horizon)
        calendar = self.calendar.announced_by(panel.cutoff)
        factor = measure(panel, calendar).multiplier(calendar, panel.future(horizon), panel.granularity)
        plain = y_hat / np.maximum(factor, 0.05)
        cycle = min(panel.granularity.block, horizon)
        trend = np.array([np.convolve(row, np.ones(cycle) / cycle, mode="valid") for row in plain])
        trend = np.pad(trend, ((0, 0), (cycle // 2, horizon - trend.shape[1] - cycle // 2)), mode="edge")
        return {"trend": trend, "weekly": plain - trend, "holidays": y_hat - plain}

    def _save(self, folder: Path) -> None:
        """The history is all that it needs."""

    def _load(self, folder: Path) -> None:
        """The history is all that it needs."""

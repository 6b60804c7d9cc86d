"""Prophet, and exponential smoothing of what it misses."""

import numpy as np
import pandas as pd

from mlops.forecasting.panel import Floats, Panel
from mlops.forecasting.prophet import Prophet
from mlops.forecasting.smoothing import smooth

__all__ = ["Hybrid"]

CYCLES = 39  # of the newest history whose misses are smoothed
LEAST = 0.1  # of the level: a fitted value below it is no base for a ratio


class Hybrid(Prophet):
    """Prophet's trend, seasons and holidays, times what smoothing forecasts for the ratio of the newest values to them.

    Prophet alone extrapolates a trend that the newest weeks may have left; the ratio brings it back to them. So newer
    history moves the forecast without a new training.
    """

    kind = "hybrid"

    def _parts(self, panel: Panel, horizon: int) -> dict[str, Floats]:
        parts = super()._parts(panel, horizon)
        total = np.sum(list(parts.values()), axis=0)
        return parts | {"catch-up": total * (self._ratio(panel, horizon) - 1)}

    def component(self, part: str) -> str:
        return "trend" if part == "catch-up" else super().component(part)

    def _ratio(self, panel: Panel, horizon: int) -> Floats:
        """How outcomes will stand to Prophet's forecast (series × steps), from how they stood to its fit."""
        steps = len(panel.index)
        newest = min(CYCLES * max(panel.season.cycle, panel.season.every), steps - 1)
        before = panel.until(steps - newest)
        fitted = np.sum(list(super()._parts(before, newest).values()), axis=0)
        base = np.maximum(fitted, LEAST * np.maximum(panel.level(), 1e-9)[:, None])
        ratio = np.clip(panel.y[:, steps - newest :] / base, 0.0, 5.0)
        reach = pd.DatetimeIndex(panel.index[steps - newest :].append(panel.future(horizon)))
        return smooth(ratio, panel.places(reach), [newest - 1], horizon, panel.season.cycle)[0]

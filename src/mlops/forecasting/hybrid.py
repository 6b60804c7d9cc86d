"""Prophet, and exponential smoothing of what it misses."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from mlops.forecasting.panel import Floats, Panel
from mlops.forecasting.prophet import Prophet
from mlops.forecasting.smoothing import smooth
from mlops.forecasting.tape import Tape, rehearse

__all__ = ["Hybrid"]

CYCLES = 39  # of the newest history whose misses are smoothed
REFIT = 6  # origins
LEAST, MOST = 0.1, 5.0  # of the level: a fitted value below it is no base for a ratio, and the largest ratio


class Hybrid(Prophet):
    """Prophet's trend, seasons and holidays, times what smoothing forecasts for the ratio of the newest values to them.

    Prophet alone extrapolates a trend that the newest weeks may have left; the ratio brings it back to them. So newer
    history moves the forecast without a new training.
    """

    kind = "hybrid"

    def _parts(self, panel: Panel, horizon: int) -> dict[str, Floats]:
        parts = super()._parts(panel, horizon)
        total = np.sum(list(parts.values()), axis=0)
        ratio = self._ratios(panel, [len(panel.index) - 1], horizon)[0]
        return parts | {"catch-up": total * (ratio - 1)}

    def component(self, part: str) -> str:
        return "trend" if part == "catch-up" else super().component(part)

    def _rehearse(self, panel: Panel, origins: range) -> Tape:
        """Prophet is fitted again at some of the origins only: in between the ratio keeps up."""
        if self._for_stan:
            return super()._rehearse(panel, origins)
        self._fitted = None
        forecasts: list[Floats] = []
        for start in range(0, len(origins), REFIT):
            block = origins[start : start + REFIT]
            self._learn(panel.until(block[0] + 1), before=self._fitted)
            ratios = self._ratios(panel.until(block[-1] + 1), block, self.horizon)
            plain = [Prophet._parts(self, panel.until(origin + 1), self.horizon) for origin in block]
            forecasts += [sum(parts.values()) * ratio for parts, ratio in zip(plain, ratios, strict=True)]
        lowest = 0.0 if np.nanmin(panel.y[:, : origins[0] + 1]) >= 0 else -np.inf
        found = iter(forecasts)
        return rehearse(panel, origins, self.horizon, lambda _panel, _horizon: np.maximum(next(found), lowest))

    def _ratios(self, panel: Panel, origins: Sequence[int], horizon: int) -> list[Floats]:
        """How outcomes will stand to Prophet's forecasts (series × steps), from how they stood to its fit."""
        newest = min(CYCLES * max(panel.season.cycle, panel.season.every) + origins[-1] - origins[0], origins[0])
        start = origins[0] - newest + 1
        fitted = np.sum(list(super()._parts(panel.until(start), len(panel.index) - start).values()), axis=0)
        base = np.maximum(fitted, LEAST * np.maximum(panel.level(), 1e-9)[:, None])
        ratio = np.clip(panel.y[:, start:] / base, 0.0, MOST)
        reach = pd.DatetimeIndex(panel.index[start:].append(panel.future(horizon)))
        places = panel.places(reach)
        return smooth(ratio, places, [origin - start for origin in origins], horizon, panel.season.cycle)

"""The baselines that other models are compared with."""

from pathlib import Path

import numpy as np

from mlops.arrays import Floats
from mlops.forecasting.base import Forecaster
from mlops.panels.panel import Panel

__all__ = ["MovingAverage", "SeasonalNaive"]


class _Baseline(Forecaster):
    """The newest cycles, one row of `_cycles` per series and cycle; there is nothing to learn."""

    def _fit(self, panel: Panel) -> None:
        """There is nothing to learn."""

    def _parts(self, panel: Panel, horizon: int) -> dict[str, Floats]:
        y_hat = self._predict(panel, horizon)
        level = np.repeat(panel.level()[:, None], horizon, axis=1)
        return {"trend": level, "weekly": y_hat - level}

    def _save(self, folder: Path) -> None:
        """The history is all that it needs."""

    def _load(self, folder: Path) -> None:
        """The history is all that it needs."""


class SeasonalNaive(_Baseline):
    """Every step is the newest observation of the same place in the cycle (for days: of the same weekday)."""

    kind = "naive"

    def _predict(self, panel: Panel, horizon: int) -> Floats:
        places = _cycles(panel, 8)
        newest = places[:, -1, :]
        for back in range(2, places.shape[1] + 1):
            newest = np.where(np.isnan(newest), places[:, -back, :], newest)
        return _repeat(panel, newest, horizon)


class MovingAverage(_Baseline):
    """Every step is the mean of the newest four observations of the same place in the cycle."""

    kind = "average"

    def _predict(self, panel: Panel, horizon: int) -> Floats:
        places = _cycles(panel, 4)
        count = (~np.isnan(places)).sum(axis=1)
        mean = np.where(count > 0, np.nansum(places, axis=1) / np.maximum(count, 1), np.nan)
        return _repeat(panel, mean, horizon)


def _cycles(panel: Panel, count: int) -> Floats:
    """The newest cycles: series × cycles × places, the last place being that of the cutoff."""
    cycle = panel.granularity.block
    tail = panel.y[:, -count * cycle :]
    missing = -tail.shape[1] % cycle
    padded = np.hstack([np.full((len(tail), missing), np.nan), tail])
    return padded.reshape(len(tail), -1, cycle)


def _repeat(panel: Panel, cycle: Floats, horizon: int) -> Floats:
    """A place without a value takes the mean of the newest four cycles, or of all where there is nothing in them."""
    newest = panel.last(4 * panel.granularity.block)
    seen = (~np.isnan(newest.y)).any(axis=1, keepdims=True)
    y = np.hstack([np.where(seen, newest.y, np.nan), np.where(seen, np.nan, panel.y)])
    mean = np.nansum(y, axis=1) / np.maximum((~np.isnan(y)).sum(axis=1), 1)
    usual = np.where(newest.never_negative, panel.level(), mean)
    filled = np.where(np.isnan(cycle), usual[:, None], cycle)
    return filled[:, np.arange(horizon) % panel.granularity.block]

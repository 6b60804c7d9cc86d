"""The absolute error, day by day, against what the backtest promised for the same calendar."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from mlops.monitoring.channels import Channel, EntityCentres, daily_means
from mlops.monitoring.spec import Rows

__all__ = ["PerformanceDrift", "fit_performance_drift"]


@dataclass(frozen=True, slots=True)
class PerformanceDrift:
    """The mean absolute error of the backtest, by entity and in all."""

    channels: tuple[Channel, ...]
    centres: EntityCentres
    mean_absolute_error: float

    def daily(self, rows: Rows) -> pd.DataFrame:
        """One row per day: the absolute error above its entity's mean, as a part of the backtest's mean."""
        excess = self.centres.centred(rows.entity, np.abs(rows.error)[:, None])
        return daily_means(rows.day, excess / self.mean_absolute_error)


def fit_performance_drift(rows: Rows) -> PerformanceDrift:
    """The reference for the absolute error."""
    size = np.abs(rows.error)
    mean = float(size[np.isfinite(size)].mean()) if np.isfinite(size).any() else np.nan
    words = "the absolute error is {} above the backtest's", "the absolute error is {} below the backtest's"
    channel = Channel("performance", "", "performance", *words)
    return PerformanceDrift((channel,), EntityCentres.of(rows.entity, size[:, None]), mean + 1e-9)

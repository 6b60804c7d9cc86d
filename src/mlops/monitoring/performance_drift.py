"""The absolute error, day by day, against what the backtest promised for the same calendar."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mlops.domain.findings import Finding
from mlops.monitoring.channels import Channel, EntityCentres, daily_means
from mlops.monitoring.spec import Rows

__all__ = ["PerformanceDrift", "fit_performance_drift"]

COLLAPSE = 1.5  # times the worst week of the backtest: no budget is needed for what never came near
FEWEST_LABELS = 5


@dataclass(frozen=True, slots=True)
class PerformanceDrift:
    """The mean absolute error of the backtest, by entity and in all, and its worst week as a multiple of that."""

    channels: tuple[Channel, ...]
    centres: EntityCentres
    mean_absolute_error: float
    worst_week: float

    def daily(self, rows: Rows) -> pd.DataFrame:
        """One row per day: the absolute error above its entity's mean, as a part of the backtest's mean."""
        excess = self.centres.centred(rows.entity, np.abs(rows.error)[:, None])
        return daily_means(rows.day, excess / self.mean_absolute_error)

    def collapse(self, rows: Rows) -> Finding:
        """Whether the error is far beyond any week of the backtest; the channels, pulled in, need longer to say so."""
        size = np.abs(rows.error[np.isfinite(rows.error)])
        times = float(size.mean() / self.mean_absolute_error) if len(size) >= FEWEST_LABELS else math.nan
        limit = COLLAPSE * self.worst_week
        detail = (
            f"the week's absolute error is {times:.1f} times the backtest's; its worst week had {self.worst_week:.1f}"
        )
        if math.isnan(times):
            detail = "not judged: too few outcomes are known"
        return Finding("performance", "collapse", times, limit, times > limit, detail)


def fit_performance_drift(rows: Rows) -> PerformanceDrift:
    """The reference for the absolute error."""
    size = np.abs(rows.error)
    mean = float(size[np.isfinite(size)].mean()) if np.isfinite(size).any() else np.nan
    words = "the absolute error is {} above the backtest's", "the absolute error is {} below the backtest's"
    channel = Channel("performance", "", "performance", *words)
    weekly = pd.Series(size, index=rows.day).groupby((rows.day - rows.day.min()).days // 7).mean()
    worst = float(weekly.max() / (mean + 1e-9)) if weekly.notna().any() else math.inf
    return PerformanceDrift((channel,), EntityCentres.of(rows.entity, size[:, None]), mean + 1e-9, worst)

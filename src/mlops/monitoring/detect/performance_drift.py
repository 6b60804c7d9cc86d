"""The absolute error, day by day, against what the backtest promised for the same calendar."""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from mlops.arrays import Floats
from mlops.domain.findings import Finding, Movement
from mlops.monitoring.detect.calendar_fit import WEEK, ordinary, weeks_back
from mlops.monitoring.detect.signals import EntityCentres, Signal, daily_means
from mlops.monitoring.detect.spec import MonitorRows

__all__ = ["PerformanceDrift", "fit_performance_drift"]

COLLAPSE = 1.5  # times the worst such week of the backtest: no budget is needed for what never came near
FEWEST_LABELS = 5


@dataclass(frozen=True, slots=True)
class PerformanceDrift:
    """The mean absolute error of the backtest, by entity and in all, and its worst weeks as multiples of that.

    Of all weeks, and of those without a holiday, which one without a holiday is held against.
    """

    signals: tuple[Signal, ...]
    centres: EntityCentres
    mean_absolute_error: float
    worst_week: float
    worst_ordinary_week: float

    def daily(self, rows: MonitorRows) -> pd.DataFrame:
        """One row per day: the absolute error above its entity's mean, as a part of the backtest's mean."""
        excess = self.centres.centred(rows.entity, np.abs(rows.error)[:, None])
        return daily_means(rows.day, excess / self.mean_absolute_error)

    def collapse(self, rows: MonitorRows) -> Finding:
        """Whether the error is far beyond any such week of the backtest; the signals need longer to say so."""
        size = np.abs(rows.error[np.isfinite(rows.error)])
        times = float(size.mean() / self.mean_absolute_error) if len(size) >= FEWEST_LABELS else math.nan
        worst, which = (self.worst_week, "") if rows.holiday.any() else (self.worst_ordinary_week, " without a holiday")
        limit = COLLAPSE * worst
        detail = f"the week's absolute error is {times:.1f} times the backtest's; its worst week{which} had {worst:.1f}"
        if math.isnan(times):
            detail = "not judged: too few outcomes are known"
        movement = Movement("loss", rose=True, days=WEEK)
        return Finding("performance", "collapse", times, limit, times > limit, detail, movement=movement)


def fit_performance_drift(rows: MonitorRows) -> PerformanceDrift:
    """The reference for the absolute error."""
    size = np.abs(rows.error)
    mean = float(size[np.isfinite(size)].mean()) if np.isfinite(size).any() else np.nan
    words = "the absolute error is {} above the backtest's", "the absolute error is {} below the backtest's"
    signal = Signal("performance", "", "loss", *words)
    usual = ordinary(rows.day, rows.holiday)
    worst, worst_ordinary = (_worst_week(rows.day[kept], size[kept]) / (mean + 1e-9) for kept in (usual | True, usual))
    centres = EntityCentres.of(rows.entity, size[:, None])
    return PerformanceDrift((signal,), centres, mean + 1e-9, worst, worst_ordinary)


def _worst_week(day: pd.DatetimeIndex, size: Floats) -> float:
    """The largest mean of a week; infinite where nothing is known."""
    weekly = pd.Series(size).groupby(weeks_back(day)).mean()
    return float(weekly.max()) if weekly.notna().any() else math.inf

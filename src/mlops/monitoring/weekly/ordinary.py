"""Which weeks of a backtest an ordinary week is held against: those without a public holiday. Pure.

Around holidays forecasts are worse, and a backtest of few weeks has one such time: held against all of its weeks, an
ordinary week may be as bad as Christmas was before anybody is told.
"""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["FEWEST_WEEKS", "WEEK", "ordinary", "weeks_back"]

WEEK = 7
FEWEST_WEEKS = 8
"""Ordinary weeks from which they are a baseline of their own."""


def weeks_back(day: pd.DatetimeIndex) -> NDArray[np.int64]:
    """The week of each day, counted back from the newest: 0 is the last seven days."""
    return np.asarray((day.max() - day).days // WEEK)


def ordinary(day: pd.DatetimeIndex, holiday: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Which rows are of a week without a holiday, weeks as of `weeks_back`; all where there are fewer than eight."""
    if not len(day):
        return np.ones(0, bool)
    week = weeks_back(day)
    kept = ~np.isin(week, week[holiday])
    return kept if len(np.unique(week[kept])) >= FEWEST_WEEKS else np.ones(len(day), bool)

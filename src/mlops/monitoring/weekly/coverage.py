"""Whether the intervals still hold: the share of outcomes inside them in a week, beside the weeks of the backtest."""

import math

import numpy as np
import pandas as pd
from scipy import stats

from mlops.domain.findings import Finding
from mlops.monitoring.weekly.ordinary import FEWEST_WEEKS, ordinary, weeks_back

__all__ = ["against_promise"]

FEWEST_OUTCOMES = 14
CHECKS_PER_YEAR = 52
NARROWEST = 0.03  # a backtest of few weeks may happen to be as regular as no model is


def against_promise(baseline: pd.DataFrame, window: pd.DataFrame, alarms_per_year: float) -> Finding:
    """Drifted when fewer outcomes of the window were inside their 80 % intervals than chance lets a week have.

    Both frames have `ds, outcome, lo_80, hi_80, holiday`. A week is one draw, as the errors of its days and series go
    together; the limit is the prediction interval of one more draw (Student's t). A week without a holiday is held
    against such weeks of the backtest alone. Wider intervals than needed are no drift.
    """
    weeks, inside = _by_week(_comparable(baseline, window)), _inside(window)
    degrees = max(len(weeks) - 1, 1)
    limit = float(stats.t.isf(min(alarms_per_year / CHECKS_PER_YEAR, 0.25), degrees))
    if len(weeks) < FEWEST_WEEKS or len(inside) < FEWEST_OUTCOMES:
        return Finding("performance", "coverage", math.nan, limit, False, "not judged: too few outcomes are known")
    spread = max(float(weeks.std(ddof=1)), NARROWEST) * math.sqrt(1 + 1 / len(weeks))
    statistic = float((weeks.mean() - inside.mean()) / spread)
    detail = f"{inside.mean():.0%} of the outcomes are inside the 80 % intervals, {weeks.mean():.0%} in the backtest"
    return Finding("performance", "coverage", statistic, limit, statistic > limit, detail)


def _comparable(baseline: pd.DataFrame, window: pd.DataFrame) -> pd.DataFrame:
    """The rows of the backtest that a week is held against."""
    if window["holiday"].astype(bool).any():
        return baseline
    return baseline[ordinary(pd.DatetimeIndex(baseline["ds"]), baseline["holiday"].to_numpy(bool))]


def _by_week(rows: pd.DataFrame) -> "pd.Series[float]":
    """The share inside of every whole week."""
    shares = _inside(rows).groupby(pd.Series(weeks_back(pd.DatetimeIndex(rows["ds"])), index=rows.index))
    return shares.mean()[shares.size() >= FEWEST_OUTCOMES]


def _inside(rows: pd.DataFrame) -> "pd.Series[float]":
    known = rows.dropna(subset=["outcome"])
    return pd.Series(np.asarray(known["outcome"].between(known["lo_80"], known["hi_80"]), float), index=known.index)

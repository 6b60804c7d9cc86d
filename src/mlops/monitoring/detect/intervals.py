"""Whether the intervals still hold: the share of outcomes inside them in a week, beside the weeks of the backtest."""

import math

import numpy as np
import pandas as pd
from scipy import stats

from mlops.domain.findings import Finding
from mlops.monitoring.detect.calendar_fit import FEWEST_WEEKS, ordinary, weeks_back

__all__ = ["coverage_drop", "interval_inflation"]

FEWEST_OUTCOMES = 14
CHECKS_PER_YEAR = 52
NARROWEST = 0.03  # a backtest of few weeks may happen to be as regular as no model is


def coverage_drop(baseline: pd.DataFrame, window: pd.DataFrame, alarms_per_year: float) -> Finding:
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


DAYS, FEWEST_DAYS = 28, 7


def interval_inflation(rows: pd.DataFrame, level: int = 80) -> float | None:
    """The factor, 1 or more, that would have let `level` % of the newest four weeks' outcomes into their intervals.

    `rows` have `ds, outcome, y_hat, lo_<level>, hi_<level>`. A score is how far an outcome lies from its forecast, over
    the interval's reach to that side; the factor is their quantile with the correction for a finite sample (Vovk et
    al., 2005; Romano et al., 2019), where a day counts once, as errors of one day go together. None for under a week.
    """
    known = rows.dropna(subset=["outcome", "y_hat", f"lo_{level}", f"hi_{level}"])
    known = known[known["ds"] > known["ds"].max() - pd.Timedelta(days=DAYS)] if len(known) else known
    days = known["ds"].dt.normalize().nunique() if len(known) else 0
    if days < FEWEST_DAYS:
        return None
    short = (known["outcome"] - known["y_hat"]).to_numpy(float)
    above, below = known[f"hi_{level}"] - known["y_hat"], known["y_hat"] - known[f"lo_{level}"]
    reach = np.where(short > 0, above, below).astype(float)
    scores = np.abs(short[reach > 0]) / reach[reach > 0]  # a bound that is cut at zero can't be moved
    if not len(scores):
        return None
    return max(1.0, float(np.quantile(scores, min(level / 100 * (days + 1) / days, 1.0))))

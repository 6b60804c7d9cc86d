"""Whether the world, or the feed, changed at once: most series far from their forecasts, to the same side, for days."""

import math

import numpy as np
import pandas as pd

from mlops.domain.findings import Finding

__all__ = ["systemic_break"]

DAYS = 2  # one day may be a storm
TWICE = math.log(2)
SIGMAS = 5.0  # robust ones of the backtest's days, so that series which often halve or double are no upheaval
FEWEST_DAYS = 28


def systemic_break(baseline: pd.DataFrame, window: pd.DataFrame) -> Finding:
    """Drifted when on two days or more the median series was less than half, or more than twice, of its forecast.

    Both frames have `series_id, ds, outcome, y_hat, holiday`; `baseline` are backtest forecasts. The logarithm of
    outcome over forecast, in the median over the series of a day, is blind to single series and to their sizes. It is
    held against a fixed ratio, and the median absolute deviation of the backtest, so that neither a model with large
    errors nor a backtest that went through an upheaval itself hides the next one (Hampel, 1974). Holidays don't count.
    """
    usual, now = _by_day(baseline), _by_day(window)
    if len(usual) < FEWEST_DAYS or len(now) < DAYS:
        return Finding("performance", "upheaval", math.nan, 1.0, False, "not judged: too few days are known")
    centre = float(usual.median())
    spread = 1.4826 * float((usual - centre).abs().median())
    limit, away = max(TWICE, SIGMAS * spread), now - centre
    below, above = -away.nsmallest(DAYS).iloc[-1], away.nlargest(DAYS).iloc[-1]
    side = -1 if below >= above else 1
    statistic = float(max(below, above, 0.0)) / limit
    return Finding("performance", "upheaval", statistic, 1.0, statistic > 1.0, _words(window, side * away, side, limit))


def _by_day(rows: pd.DataFrame) -> "pd.Series[float]":
    """The median over the series of log(outcome / forecast), of days on which half of the series have an outcome."""
    known = rows[~rows["holiday"].astype(bool)].dropna(subset=["outcome", "y_hat"])
    ratio = (_positive(known["outcome"], known) / _positive(known["y_hat"], known)).map(math.log)
    days = ratio.groupby(known["ds"].dt.normalize())
    medians: pd.Series[float] = days.median()[days.size() >= rows["series_id"].nunique() / 2]
    return medians


def _positive(values: "pd.Series[float]", known: pd.DataFrame) -> "pd.Series[float]":
    """Values of at least a hundredth of what is usual for their series: a shop that is closed has a logarithm, too."""
    usual = known["y_hat"].abs().groupby(known["series_id"]).transform("median")
    return values.clip(lower=(0.01 * usual).clip(lower=1e-9))


def _words(window: pd.DataFrame, away: "pd.Series[float]", side: int, limit: float) -> str:
    odd = away[away > min(limit, TWICE)]
    if len(odd) < DAYS:
        return f"the median series is {np.exp(side * away.max()):.2f} times its forecast on its farthest day"
    rows = window[window["ds"].dt.normalize().isin(odd.index)].dropna(subset=["outcome", "y_hat"])
    sums = rows.groupby("series_id")[["outcome", "y_hat"]].sum()
    moved = int((side * (sums["outcome"] - sums["y_hat"]) > 0).sum())
    ratio, word = float(np.exp(side * odd.median())), "below" if side < 0 else "above"
    return (
        f"{moved} of {len(sums)} series are {word} their forecasts since {odd.index.min():%Y-%m-%d}:"
        f" the median one has {ratio:.2f} times what was expected, on {len(odd)} days of the week"
    )

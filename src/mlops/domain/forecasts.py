"""How good a forecast was: accuracy of forecasts against their outcomes.

Arrays are one-dimensional and of equal length, in units of the series; rows whose outcome `y` is NaN don't count.
"""

import math
import re
from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

__all__ = ["LEVELS", "bias", "coverage", "interval_pinball", "levels_of", "mase", "wape", "worse_than_trivial"]

LEVELS = (80, 95)
"""The interval levels, in per cent, that are stored with every forecast (saved models import this name)."""

Array = npt.ArrayLike


def levels_of(columns: Iterable[object]) -> tuple[int, ...]:
    """The levels, in per cent, of which both bounds are among the names of columns, lowest first.

    >>> levels_of(["y_hat", "lo_80", "hi_80", "lo_95"])
    (80,)
    """
    names = set(map(str, columns))
    lows = (re.fullmatch(r"lo_(\d+)", name) for name in names)
    return tuple(sorted(int(low[1]) for low in lows if low and f"hi_{low[1]}" in names))


def wape(y: Array, y_hat: Array) -> float:
    """Sum of absolute errors over the sum of absolute outcomes; NaN where there is no outcome.

    >>> wape([10, 30], [12, 28])
    0.1
    """
    y, y_hat = _known(y, y_hat)
    return _ratio(np.abs(y - y_hat).sum(), np.abs(y).sum())


def worse_than_trivial(ours: float, mean: float | None) -> str:
    """In words, which forecast without a model has a lower WAPE than `ours`: zero, whose is 1, or the mean; else empty.

    Without a WAPE nothing is proven, and the sentence is that there is none.

    >>> worse_than_trivial(1.06, 1.2)
    'forecasting zero every time would have been better'
    """
    if math.isnan(ours):
        return "it has no WAPE, for all outcomes are zero or a forecast is missing"
    if ours >= 1:
        return "forecasting zero every time would have been better"
    if mean is not None and ours > mean:
        return "forecasting each series' mean would have been better"
    return ""


def bias(y: Array, y_hat: Array) -> float:
    """Sum of errors (forecast minus outcome) over the sum of absolute outcomes; above 0 is over-forecast."""
    y, y_hat = _known(y, y_hat)
    return _ratio((y_hat - y).sum(), np.abs(y).sum())


def mase(y: Array, y_hat: Array, naive_mae: float) -> float:
    """Mean absolute error over the in-sample error of the seasonal naive (Hyndman and Koehler, 2006)."""
    y, y_hat = _known(y, y_hat)
    return _ratio(np.abs(y - y_hat).mean() if len(y) else np.nan, naive_mae)


def interval_pinball(y: Array, lo: Array, hi: Array, level: int) -> float:
    """Pinball loss of both bounds of an interval over the sum of absolute outcomes.

    It is the sum of the quantile losses at (100 - level)/2 and (100 + level)/2 per cent (Koenker and Bassett, 1978).
    """
    y, lo, hi = _known(y, lo, hi)
    tail = (1 - level / 100) / 2
    below = np.maximum(tail * (y - lo), (tail - 1) * (y - lo))
    above = np.maximum((1 - tail) * (y - hi), -tail * (y - hi))
    return _ratio((below + above).sum(), np.abs(y).sum())


def coverage(y: Array, lo: Array, hi: Array) -> float:
    """Share of outcomes inside the interval; NaN where there is no outcome."""
    y, lo, hi = _known(y, lo, hi)
    return float(((y >= lo) & (y <= hi)).mean()) if len(y) else float("nan")


def _known(y: Array, *others: Array) -> tuple[npt.NDArray[np.float64], ...]:
    outcomes = np.asarray(y, dtype=float)
    seen = ~np.isnan(outcomes)
    return outcomes[seen], *(np.asarray(other, dtype=float)[seen] for other in others)


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else float("nan")

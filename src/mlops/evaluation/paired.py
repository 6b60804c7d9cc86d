"""Whether forecasts of the same days differ beyond chance: a circular block bootstrap over days. Pure.

Errors of neighbouring days and of series on the same day go together, so whole blocks of days are drawn, with all
series in them (Künsch, 1989); blocks wrap around, so that every day counts as often (Politis and Romano, 1992).
Two weeks hold few blocks, of which percentiles would be too narrow by half: the resamples give the deviation, and
Student's t with the degrees of freedom of overlapping batch means gives the reach (Meketon and Schmeiser, 1984).
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy import stats

from mlops.arrays import Floats, Ints
from mlops.evaluation.losses import Loss, absolute

__all__ = ["Estimate", "blocks", "gain", "mean", "ratio_of_sums"]

RESAMPLES = 2_000
"""So many that the deviation of the resamples is itself known to about 2 % (1 over the root of twice their number)."""
WEEK = 7
FREEDOM = 1.5
"""Degrees of freedom for each block after the first, as blocks overlap (Meketon and Schmeiser, 1984)."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value inside its interval: `low` <= `value` <= `high`."""

    value: float
    low: float
    high: float

    def times(self, factor: float) -> "Estimate":
        """The estimate in another unit; `factor` is not negative."""
        return Estimate(self.value * factor, self.low * factor, self.high * factor)


def gain(
    y: npt.ArrayLike,
    candidate: npt.ArrayLike,
    champion: npt.ArrayLike,
    periods: npt.ArrayLike,
    confidence: float,
    *,
    loss: Loss = absolute,
    relative: bool = True,
) -> Estimate:
    """By how much the loss of a candidate is smaller than that of the champion on the same rows, with its interval.

    Over the sum of absolute outcomes, so that absolute errors give a difference of WAPE; not `relative`, per period.
    Below zero the candidate is worse.

    Parameters
    ----------
    y, candidate, champion
        Outcomes and both forecasts (n each), nothing missing.
    periods
        The period of each row (n), such as its day: errors of a period go together.
    confidence
        Of the interval, between 0 and 1.
    loss
        What each row's error costs.
    relative
        Whether the outcomes' size is what the gain is measured by.
    """
    outcomes = np.asarray(y, dtype=float)
    saved = loss(outcomes, champion) - loss(outcomes, candidate)
    summed = pd.DataFrame({"saved": saved, "size": np.abs(outcomes)}).groupby(np.asarray(periods)).sum()
    daily, size = (np.asarray(summed[name], dtype=float) for name in ("saved", "size"))
    return ratio_of_sums(daily, size, confidence) if relative else mean(daily, confidence)


def mean(daily: Floats, confidence: float) -> Estimate:
    """The mean of daily numbers (days) with its interval."""
    return ratio_of_sums(daily, np.ones(len(daily)), confidence)


def ratio_of_sums(daily: Floats, size: Floats, confidence: float, *, length: int = 0) -> Estimate:
    """The sum of daily numbers over the sum of daily sizes (days each), with its interval; endless for too few days.

    `length` is how many days go together (0: a week).
    """
    drawn = blocks(len(daily), length)
    resampled = daily[drawn].sum(axis=1) / np.maximum(size[drawn].sum(axis=1), 1e-12)
    value = float(daily.sum() / max(size.sum(), 1e-12))
    reach = _reach(len(daily), confidence, length) * float(resampled.std())
    return Estimate(value, value - reach, value + reach)


def blocks(days: int, given: int = 0) -> Ints:
    """Which days each resample (RESAMPLES × days) draws.

    The same for the same number of days, so that what is recommended can be repeated.
    """
    length = _length(days, given)
    random = np.random.default_rng(days)
    starts = random.integers(0, days, (RESAMPLES, -(-days // length)))
    return np.asarray(((starts[..., None] + np.arange(length)) % days).reshape(RESAMPLES, -1)[:, :days])


def _length(days: int, given: int) -> int:
    """A week, so that weekdays are drawn evenly; of less than two weeks (then they are no days) a quarter."""
    return min(given, days) if given else WEEK if days >= 2 * WEEK else max(1, days // 4)


def _reach(days: int, confidence: float, given: int) -> float:
    """How many deviations the interval reaches to either side."""
    count = days / _length(days, given)
    if count < 2:
        return math.inf
    centred = math.sqrt(count / (count - 1))  # the resamples are drawn around what they estimate
    freedom = FREEDOM if given != 1 else 1.0  # blocks of one do not overlap
    return centred * float(stats.t.isf((1 - confidence) / 2, freedom * (count - 1)))

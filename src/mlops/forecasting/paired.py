"""Whether forecasts of the same days differ beyond chance: a circular block bootstrap over days. Pure.

Errors of neighbouring days and of series on the same day go together, so whole blocks of days are drawn, with all
series in them (Künsch, 1989); blocks wrap around, so that every day counts as often (Politis and Romano, 1992).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

__all__ = ["Estimate", "blocks", "mean", "ratio"]

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
RESAMPLES = 2_000
WEEK = 7


@dataclass(frozen=True, slots=True)
class Estimate:
    """A value inside its interval: `low` <= `value` <= `high`."""

    value: float
    low: float
    high: float

    def times(self, factor: float) -> "Estimate":
        """The estimate in another unit; `factor` is not negative."""
        return Estimate(self.value * factor, self.low * factor, self.high * factor)


def mean(daily: Floats, confidence: float) -> Estimate:
    """The mean of daily numbers (days) with its interval."""
    return ratio(daily, np.ones(len(daily)), confidence)


def ratio(daily: Floats, size: Floats, confidence: float) -> Estimate:
    """The sum of daily numbers over the sum of daily sizes (days each), with the percentile interval."""
    drawn = blocks(len(daily))
    total = np.maximum(size[drawn].sum(axis=1), 1e-12)
    low, high = np.quantile(daily[drawn].sum(axis=1) / total, [(1 - confidence) / 2, (1 + confidence) / 2])
    value = daily.sum() / max(size.sum(), 1e-12)
    return Estimate(float(value), float(min(low, value)), float(max(high, value)))


def blocks(days: int) -> Ints:
    """Which days each resample (RESAMPLES × days) draws: blocks of a week, shorter where there are few days.

    The same for the same number of days, so that what is recommended can be repeated.
    """
    length = WEEK if days >= 2 * WEEK else max(1, days // 4)
    random = np.random.default_rng(days)
    starts = random.integers(0, days, (RESAMPLES, -(-days // length)))
    return np.asarray(((starts[..., None] + np.arange(length)) % days).reshape(RESAMPLES, -1)[:, :days])

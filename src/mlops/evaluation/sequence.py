"""A mean difference that may be looked at every week: its interval holds at all looks together. Pure.

The weeks' means are taken as normal with unknown mean and variance. Under a normal prior of the mean in units of the
deviation, and the scale-invariant one of the deviation, the Bayes factor against a mean is a test martingale (Lai,
1976; Wang and Ramdas, 2025, "Anytime-valid t-tests and confidence sequences for Gaussian means with unknown variance"),
so by Ville's inequality it ever exceeds 1/alpha under the true mean with a probability of at most alpha. Unlike
asymptotic sequences (Waudby-Smith et al., 2024) that holds from the first weeks on, when the variance is hardly known.

Weeks that go together are worth less than independent ones: the variance is multiplied by (1 + r) / (1 - r), the
long-run variance over the variance of an autoregression with autocorrelation r of the weeks. What r is, few weeks can't
say; their days can. Both are asked, and the larger counts. The choices were made on simulated years and checked on
others, which were none of these: docs/decisions/0030-live-comparison.md.
"""

from dataclasses import dataclass

import numpy as np

from mlops.arrays import Floats

__all__ = ["ConfidenceSequence", "confidence_sequence", "weeks_to_go"]

PRIOR_WEEKS = 0.25
"""How many weeks the prior of the mean is worth: its deviation is 2 of a week's, so that few weeks suffice for what is
large (.05, .1 and 1 find less within six weeks), and small differences are found 2 to 5 % later than by the best."""
DAILY_PRIOR, WEEKLY_PRIOR = (10.0, 0.1), (40.0, 0.5)
"""How many weeks of which autocorrelation are added to what the weeks say: where days are known, and where a block has
one value only, of which then nothing but the prior protects the first looks."""
CAUTION = 1.0
"""Standard errors that are added to the autocorrelation of days; without, one of .85 makes 7 % of years wrong."""
MOST = 0.95
"""The largest autocorrelation that is reckoned with: beyond, the long-run variance of a year means nothing."""
FEWEST = 6
"""Weeks from which their own autocorrelation is asked: the correction of its bias needs more than three."""


@dataclass(frozen=True, slots=True)
class ConfidenceSequence:
    """The mean after each week with its interval, and the deviation that a week counts with (…, weeks each)."""

    value: Floats
    low: Floats
    high: Floats
    deviation: Floats
    alpha: float

    @property
    def decided(self) -> int | None:
        """Which week (from 1) is the first whose interval does not hold zero; of one sequence, not of many."""
        weeks = np.flatnonzero((self.low > 0) | (self.high < 0))
        return int(weeks[0]) + 1 if len(weeks) else None


def confidence_sequence(days: Floats, confidence: float) -> ConfidenceSequence:
    """The mean of the weeks' means after each of them, with an interval that holds at all looks at once.

    Parameters
    ----------
    days
        Differences by week and day (…, weeks, days of a week), pooled over whatever is compared; NaN where a day has
        none, though every week has one. Where a step is a week or longer, that is one "day" (…, steps, 1).
    confidence
        Of all intervals together, between 0 and 1.

    Returns
    -------
    ConfidenceSequence
        Intervals are endless as long as there are too few weeks: up to the third at a confidence of .95.
    """
    days = np.asarray(days, dtype=float)
    first = np.nanmean(days[..., :1, :], axis=-1, keepdims=True)
    weeks = np.nanmean(days - first, axis=-1)  # from the first week on: sums of squares lose no digits
    count = np.arange(1, weeks.shape[-1] + 1)
    total = np.cumsum(weeks, axis=-1)
    value = total / count
    squares = np.maximum(np.cumsum(weeks**2, axis=-1) - count * value**2, 0)
    deviation = np.sqrt(squares / np.maximum(count - 1, 1) * _inflation(days - first, weeks))
    with np.errstate(invalid="ignore"):  # of one week, and of weeks that are all the same, the deviation is zero
        reach = np.where(count < 2, np.inf, _reach(count, 1 - confidence) * deviation)
    reach = np.where(np.isnan(reach), np.inf, reach)
    value = value + first[..., 0]
    return ConfidenceSequence(value, value - reach, value + reach, deviation, 1 - confidence)


def weeks_to_go(sequence: ConfidenceSequence, most: int = 104) -> int | None:
    """How many more weeks it takes until zero is outside, if they are like those so far; None for more than `most`."""
    so_far = sequence.value.shape[-1]
    value, deviation = abs(float(sequence.value[-1])), float(sequence.deviation[-1])
    count = np.arange(max(so_far, 2), so_far + most + 1)
    with np.errstate(invalid="ignore"):
        enough = np.flatnonzero(_reach(count, sequence.alpha) * deviation < value)
    return int(count[enough[0]]) - so_far if len(enough) else None


def _reach(count: Floats, alpha: float) -> Floats:
    """How many deviations of a week the interval reaches after `count` weeks; infinite while there is no end.

    With t the t statistic of n weeks, v = n - 1 and k = g / (n + g) the Bayes factor is
    sqrt(k) * ((1 + t² / v) / (1 + k t² / v)) ** (n / 2); the interval is where it is below 1 / alpha.
    """
    share = PRIOR_WEEKS / (count + PRIOR_WEEKS)
    limit = (alpha * np.sqrt(share)) ** (-2 / count)
    with np.errstate(divide="ignore", invalid="ignore"):
        squared = np.where(limit * share < 1, (limit - 1) / (1 - limit * share), np.inf)
    return np.asarray(np.sqrt(squared * (count - 1) / count))


def _inflation(days: Floats, weeks: Floats) -> Floats:
    """The long-run variance of weeks over their variance (…, weeks), as known after each of them; at least 1."""
    several = days.shape[-1] > 1
    by_weeks = _autocorrelation_of_weeks(weeks, *(DAILY_PRIOR if several else WEEKLY_PRIOR))
    inflation = (1 + by_weeks) / (1 - by_weeks)
    if not several:
        return inflation
    return np.maximum(inflation, _inflation_of_days(_autocorrelation_of_days(days), days.shape[-1]))


def _inflation_of_days(autocorrelation: Floats, length: int) -> Floats:
    """What an autocorrelation of days means for the weeks of `length` of them: the same ratio."""
    r = autocorrelation
    long_run = (1 + r) / (1 - r)
    return np.asarray(length * long_run / (length * long_run - 2 * r * (1 - r**length) / (1 - r) ** 2))


def _autocorrelation_of_weeks(weeks: Floats, added: float, prior: float) -> Floats:
    """Between a week and the next, of the first n weeks for each n (…, weeks): less its bias, drawn to the prior.

    The bias is - (1 + 3 r) / n where the mean is estimated (Marriott and Pope, 1954; Kendall, 1954).
    """
    count = np.arange(1, weeks.shape[-1] + 1)
    total = np.cumsum(weeks, axis=-1)
    mean = total / count
    squares = np.cumsum(weeks**2, axis=-1) - count * mean**2
    products = np.zeros_like(weeks)
    products[..., 1:] = np.cumsum(weeks[..., 1:] * weeks[..., :-1], axis=-1)
    products += (count - 1) * mean**2 - mean * (2 * total - weeks[..., :1] - weeks)
    with np.errstate(divide="ignore", invalid="ignore"):
        plain = np.where(squares > 0, products / squares, 0.0)
    weight = np.where(count >= FEWEST, count, 0)
    unbiased = (count * plain + 1) / np.maximum(count - 3, 1)
    return np.asarray(np.clip((weight * unbiased + added * prior) / (weight + added), 0, MOST))


def _autocorrelation_of_days(days: Floats) -> Floats:
    """Between a day and the next, of the first n weeks for each n (…, weeks): CAUTION above what is likely.

    Each weekday is held against its own mean, as a difference that comes back every week is no memory.
    """
    known = ~np.isnan(days)
    values = np.where(known, days, 0.0)
    # the day after each: the next of the week, of the last day the first of the next week, which is known a week later
    following = np.concatenate([values[..., 1:], _next_week(values)], axis=-1)
    both = known & np.concatenate([known[..., 1:], _next_week(known)], axis=-1)
    count = np.cumsum(known, axis=-2)
    mean = np.cumsum(values, axis=-2) / np.maximum(count, 1)
    mean_after = np.roll(mean, -1, axis=-1)
    products = _by_weekday(both * values * following) - mean_after * _by_weekday(both * values)
    products += mean * mean_after * _by_weekday(both) - mean * _by_weekday(both * following)
    squares = np.cumsum(values**2, axis=-2) - count * mean**2
    size, squared = count.sum(axis=-1), squares.sum(axis=-1)
    with np.errstate(divide="ignore", invalid="ignore"):
        plain = np.where(squared > 0, products.sum(axis=-1) / squared, 0.0)
    likely = (plain + 1 / size) / np.maximum(1 - 3 / size, 0.5)
    error = np.sqrt(np.maximum(1 - likely**2, 0.1) / size)
    return np.asarray(np.clip(likely + CAUTION * error, 0, MOST))


def _next_week(of: Floats) -> Floats:
    """The first day of the week after each (…, weeks, 1); nothing after the last."""
    return np.concatenate([of[..., 1:, :1], np.zeros_like(of[..., :1, :1])], axis=-2)


def _by_weekday(of: Floats) -> Floats:
    """Sums of pairs by weekday over the first n weeks, for each n; a pair over two weeks counts in the second."""
    of = np.array(of, dtype=float)
    of[..., 1:, -1], of[..., 0, -1] = of[..., :-1, -1].copy(), 0.0
    return np.cumsum(of, axis=-2)

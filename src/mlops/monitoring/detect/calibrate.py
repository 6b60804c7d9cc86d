"""Limits that spend a yearly budget of false alarms over all signals, windows and weeks."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from mlops.arrays import Floats
from mlops.monitoring.detect.calendar_fit import CalendarFit, fit_calendar, harmonics_for
from mlops.monitoring.detect.signals import Family, Signal

__all__ = ["WINDOWS", "Calibration", "Contrast", "baseline_days", "calibrate"]

BUDGET: dict[Family, float] = {
    "level": 0.45,
    "spread": 0.07,
    "swing": 0.15,
    "share": 0.12,
    "season": 0.15,
    "error": 0.10,
    "product": 0.14,
    "performance": 0.04,
}
CHECKS_PER_YEAR = 52
INDEPENDENT = 0.4  # of the tests: the windows of a check overlap, and those of neighbouring weeks
POOLED_EVIDENCE = 60.0  # independent windows that the model of persistence is worth, against the signal's own few
SMALLEST_RATIO, LARGEST_RATIO = 0.7, 4.0
SMALLEST_SCALE = 1e-4
WINDOWS = (7, 14, 28, 56)


@dataclass(frozen=True, slots=True)
class Contrast:
    """The mean of the last `window` days less what that of the `baseline` days before says of it.

    `belief` is how much of the weeks before is believed, signal by signal: 0 holds against the calendar alone.
    """

    window: int
    baseline: int
    belief: Floats

    def over(self, values: Floats, calm: Floats | None = None) -> Floats:
        """The contrast that ends on each day; NaN where fewer than half of the window's days have a value.

        `calm` is what the baseline is taken from, if not from the values themselves. A window with gaps is shrunk,
        so that its variance is that of a full one.
        """
        mean, count = _trailing(values, self.window)
        mean = np.where(count >= self.window / 2, mean - self.expected(values if calm is None else calm), np.nan)
        return mean * np.sqrt(count / self.window)

    def expected(self, calm: Floats) -> Floats:
        """What the window that ends on each day is compared with: 0, the calendar, if the weeks before are missing."""
        mean, count = _trailing(calm, self.baseline)
        return _later(np.where(count >= self.baseline / 3, self.belief * mean, 0.0), self.window)

    def variance(self, variance: Floats, lasting: Floats, decay: Floats) -> Floats:
        """The variance of the contrast when the correlation of two days, d apart, is `lasting` × `decay` ** d."""
        weighted = np.empty_like(variance)
        for belief in np.unique(self.belief):
            mine = self.belief == belief
            weighted[mine] = self._weighted(belief, lasting[mine], decay[mine])
        return np.asarray(variance * weighted)

    def _weighted(self, belief: float, lasting: Floats, decay: Floats) -> Floats:
        before, newest = np.full(self.baseline, -belief / self.baseline), np.full(self.window, 1 / self.window)
        weights = np.concatenate([before, newest])
        overlap = np.correlate(weights, weights, "full")[len(weights) - 1 :]
        powers = decay[:, None] ** np.arange(1, len(weights))
        return np.asarray(overlap[0] + 2 * lasting * (powers @ overlap[1:]))


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a quiet signal does: its calendar, the reach of one day, and scale and limits for every window."""

    calendar: CalendarFit
    reach: Floats
    seasons: int
    contrasts: tuple[Contrast, ...]
    scale: Floats
    above: Floats
    below: Floats
    still: NDArray[np.bool_]
    """Which signals never changed in the history but by rounding: of these no scale is known."""

    def residuals(self, matrix: Floats, daily: Floats) -> Floats:
        """What the calendar leaves of each day, pulled in to the reach of a quiet day; then the seasons."""
        return _left(self.calendar, matrix, daily, self.reach, self.seasons)

    def newest(self, values: Floats, calm: Floats) -> Floats:
        """Standardised contrasts that end on the last day, one row per window."""
        ends = [contrast.over(values, calm)[-1] for contrast in self.contrasts]
        return np.asarray(ends / self.scale)


def baseline_days(days: int) -> int:
    """How many days the baseline has: fewer when the history is too short to know the seasons."""
    if days < 350:
        return 35
    return 56 if days < 548 else 91


def calibrate(matrix: Floats, daily: Floats, signals: Sequence[Signal], alarms_per_year: float) -> Calibration:
    """Scales from the history's own autocorrelation, corrected by windows held out of the calendar fit."""
    calendar = fit_calendar(matrix, daily)
    # how far from its calendar a quiet day strays: days beyond count as no more; a constant that changes is no outlier
    reach = 1.2 * pd.DataFrame(np.abs(calendar.residuals(matrix, daily))).quantile(0.99).to_numpy(float)
    reach = np.where(reach > SMALLEST_SCALE, reach, np.inf)
    seasons = sum(signal.family == "season" for signal in signals)
    left = _left(calendar, matrix, daily, reach, seasons)
    contrasts = _contrasts(signals, len(daily))
    quiet = _held_out(matrix, daily, reach, seasons, contrasts)
    families = np.array([signal.family for signal in signals])
    variance = np.array([_variance(left, q, c, families) for q, c in zip(quiet, contrasts, strict=True)])
    scale = np.sqrt(variance) + SMALLEST_SCALE
    gaussian = _gaussian_limits(signals, alarms_per_year, len(daily))
    limits = gaussian * _tails(quiet / scale[:, None, :], families, len(daily))
    averaging = scale / (_deviation(left) + SMALLEST_SCALE)
    lean, tails = _moment(left, 3) * averaging, (_moment(left, 4) - 3) * averaging**2
    # performance is one signal, against the backtest itself: its windows and days tell of the same bad stretch, once
    bent = np.where(families == "performance", gaussian, limits)
    above, below = (np.maximum(limits, _bent(bent, side * lean, tails)) for side in (1, -1))
    season = families == "season"  # takes the longest window to show; its tails come and go with the wave
    above[:, season], above[-1, season] = np.inf, limits[season]
    still = _deviation(left) < SMALLEST_SCALE
    return Calibration(calendar, reach, seasons, contrasts, scale, above, below, still)


def _contrasts(signals: Sequence[Signal], days: int) -> tuple[Contrast, ...]:
    """Half calendar, half the weeks before is closer to what comes than either; without seasons only these are."""
    seasons = harmonics_for(days) > 0
    belief = np.where([signal.local for signal in signals], 0.5 if seasons else 1.0, 0.0)
    windows = WINDOWS if seasons else WINDOWS[:-1]
    return tuple(Contrast(window, baseline_days(days), belief) for window in windows)


def _left(calendar: CalendarFit, matrix: Floats, daily: Floats, reach: Floats, seasons: int) -> Floats:
    """What a calendar leaves, within reach; then of the first columns how far that is to the side of their season."""
    left = np.clip(calendar.residuals(matrix, daily), -reach, reach)
    return np.hstack([left, left[:, :seasons] * calendar.side(matrix)[:, :seasons]])


def _held_out(matrix: Floats, daily: Floats, reach: Floats, seasons: int, contrasts: Sequence[Contrast]) -> Floats:
    """The contrasts on every day of the history, by a calendar that was fitted without the days of their window."""
    days = len(daily)
    held_out = np.full((len(contrasts), days, daily.shape[1] + seasons), np.nan)
    size = max(28, min(91, days // 6))
    for start in range(0, days, size):
        block, seen = slice(start, min(start + size, days)), daily.copy()
        seen[max(start - max(WINDOWS), 0) : block.stop] = np.nan
        left = _left(fit_calendar(matrix, seen), matrix, daily, reach, seasons)
        for place, contrast in enumerate(contrasts):
            held_out[place, block] = contrast.over(left)[block]
    for place, contrast in enumerate(contrasts):
        held_out[place, : contrast.window + contrast.baseline] = np.nan
    return held_out


def _variance(left: Floats, quiet: Floats, contrast: Contrast, families: NDArray[np.str_]) -> Floats:
    """Theory from each signal's autocorrelation, corrected by the held-out windows of its family and its own."""
    theory = contrast.variance(_deviation(left) ** 2, *_persistence(left)) + SMALLEST_SCALE**2
    squares = pd.DataFrame(quiet**2)
    seen, own = squares.mean().to_numpy(float), squares.count().to_numpy(float) / (2.5 * contrast.window)
    # the mean ratio of each family, 1 where nothing was seen; no signal counts as more than a multiple
    means = pd.Series(np.clip(seen / theory, 0, LARGEST_RATIO)).groupby(families).transform("mean")
    ratio = means.fillna(1.0).clip(lower=SMALLEST_RATIO).to_numpy(float)
    return np.asarray((own * np.nan_to_num(seen) + POOLED_EVIDENCE * ratio * theory) / (own + POOLED_EVIDENCE))


def _persistence(left: Floats) -> tuple[Floats, Floats]:
    """The part of a day that lasts, and how fast it decays: correlation d days apart is part × decay ** d."""
    first, second, third = (_correlation(left, lag) for lag in (1, 2, 3))
    # two moments: neighbours tell part × decay, the next two tell decay; faint correlation is taken as pure decay
    decay = np.clip((second + third) / np.maximum(first + second, 1e-3), 0, 0.95)
    decay = np.where(first > 0.08, decay, 0)
    faint = decay <= 0.02
    decay = np.where(faint & (first > 0.05), first, decay)
    part = np.where(faint, first > 0.05, np.clip(first / np.maximum(decay, 0.02), 0, 1))
    return part.astype(float), decay


def _correlation(left: Floats, lag: int) -> Floats:
    products = pd.DataFrame(left[lag:] * left[:-lag]).mean().to_numpy(float)
    return np.nan_to_num(products / (_deviation(left) ** 2 + SMALLEST_SCALE**2))


def _deviation(left: Floats) -> Floats:
    return np.asarray(np.nan_to_num(np.sqrt(pd.DataFrame(left**2).mean().to_numpy(float))))


def _moment(left: Floats, order: int) -> Floats:
    """The standardised moment of each signal: 3 tells its lean, 4 its tails (3 if Gaussian)."""
    powers = pd.DataFrame(left**order).mean().to_numpy(float)
    return np.asarray(np.nan_to_num(powers / (_deviation(left) ** order + SMALLEST_SCALE**order)))


def _gaussian_limits(signals: Sequence[Signal], alarms_per_year: float, days: int) -> Floats:
    """The limit of each signal if its contrasts were Gaussian but for a scale known from so many days (Bonferroni)."""
    sizes = pd.Series([signal.family for signal in signals]).value_counts()
    present = sum(BUDGET[family] for family in sizes.index)
    independent = INDEPENDENT if harmonics_for(days) else 1.0  # unknown seasons alarm in every window
    windows = {family: 1 if family == "season" else len(WINDOWS) for family in sizes.index}
    tests = {family: size * CHECKS_PER_YEAR * windows[family] * independent for family, size in sizes.items()}
    share = {family: alarms_per_year * BUDGET[family] / present / tests[family] for family in sizes.index}
    sides = np.array([1 if signal.one_sided else 2 for signal in signals])
    chance = np.array([share[signal.family] for signal in signals]) / sides
    return np.asarray(stats.t.isf(np.minimum(chance, 0.25), days / 5))


def _tails(quiet: Floats, families: NDArray[np.str_], days: int) -> Floats:
    """How much heavier than Gaussian the tails of each family's held-out contrasts are; never less than 1."""
    expected = stats.t.isf(0.005, days / 5)
    seen = {family: _quantile(np.abs(quiet[:, :, families == family])) for family in set(families)}
    return np.asarray(np.maximum(1.0, np.array([seen[family] for family in families]) / expected))


def _quantile(values: Floats) -> float:
    values = values[np.isfinite(values) & (values > 0)]
    return float(np.quantile(values, 0.99)) if len(values) else 0.0


def _bent(limits: Floats, lean: Floats, tails: Floats) -> Floats:
    """The limit moved out by the Cornish-Fisher terms of a contrast that leans to this side or has heavy tails.

    What leans has heavy tails by that alone, which the last term takes back (Cornish and Fisher, 1938).
    """
    lean, tails = np.maximum(lean, 0), np.maximum(tails, 0)
    by_lean = lean * (limits**2 - 1) / 6
    by_tails = tails * (limits**3 - 3 * limits) / 24
    twice = lean**2 * (2 * limits**3 - 5 * limits) / 36
    return np.asarray(np.maximum(limits, limits + by_lean + by_tails - twice))


def _trailing(values: Floats, length: int) -> tuple[Floats, Floats]:
    """The mean over the last `length` days that have a value, and how many have."""
    present = np.isfinite(values)
    running = (np.cumsum(part, axis=0) for part in (np.where(present, values, 0.0), present.astype(float)))
    total, count = (sums - _later(sums, length) for sums in running)
    return total / np.maximum(count, 1), count


def _later(values: Floats, days: int) -> Floats:
    """The values `days` later, 0 before there are any."""
    moved = np.zeros_like(values)
    moved[days:] = values[:-days]
    return moved

"""Limits that spend a yearly budget of false alarms over all channels, windows and weeks."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from mlops.monitoring.calendar_fit import CalendarFit, fit_calendar
from mlops.monitoring.channels import Channel, Family
from mlops.monitoring.spec import Array
from mlops.monitoring.windows import WINDOWS, Contrast

__all__ = ["Calibration", "baseline_days", "calibrate"]

BUDGET: dict[Family, float] = {
    "level": 0.38,
    "spread": 0.12,
    "share": 0.10,
    "error": 0.15,
    "product": 0.15,
    "performance": 0.10,
}
CHECKS_PER_YEAR = 52
# Windows overlap from week to week and with each other, so alarms come in clusters; an episode counts once.
CLUSTERING = 1.0
POOLED_EVIDENCE = 60.0  # independent windows that the model of persistence is worth, against the channel's own few
SMALLEST_SCALE = 1e-6


@dataclass(frozen=True, slots=True)
class Calibration:
    """What a quiet channel does: its calendar, the reach of one day, and scale and limits for every window."""

    calendar: CalendarFit
    reach: Array
    contrasts: tuple[Contrast, ...]
    scale: Array
    above: Array
    below: Array

    def residuals(self, matrix: Array, daily: Array) -> Array:
        """What the calendar leaves of each day, pulled in to the reach of a quiet day."""
        return np.clip(self.calendar.residuals(matrix, daily), -self.reach, self.reach)

    def newest(self, values: Array, calm: Array) -> Array:
        """Standardised contrasts that end on the last day, one row per window."""
        ends = [contrast.over(values, calm)[-1] for contrast in self.contrasts]
        return np.asarray(ends / self.scale)


def baseline_days(days: int) -> int:
    """How far back the yardstick reaches: less when the history is too short to know the seasons."""
    if days < 350:
        return 35
    return 56 if days < 548 else 91


def calibrate(matrix: Array, daily: Array, channels: Sequence[Channel], alarms_per_year: float) -> Calibration:
    """Scales from the history's own autocorrelation, corrected by windows held out of the calendar fit."""
    calendar = fit_calendar(matrix, daily)
    left = calendar.residuals(matrix, daily)
    reach = _reach(left)
    left = np.clip(left, -reach, reach)
    local = np.array([channel.local for channel in channels])
    contrasts = tuple(Contrast(window, baseline_days(len(daily)), local) for window in WINDOWS)
    quiet = [_held_out(matrix, daily, reach, contrast) for contrast in contrasts]
    families = np.array([channel.family for channel in channels])
    variance = np.array([_variance(left, q, c, families) for q, c in zip(quiet, contrasts, strict=True)])
    scale = np.sqrt(variance) + SMALLEST_SCALE
    limits = _gaussian_limits(channels, alarms_per_year, len(daily))
    limits = limits * _tails(np.array(quiet) / scale[:, None, :], families, len(daily))
    lean = _skewness(left) * scale / (_deviation(left) + SMALLEST_SCALE)
    return Calibration(calendar, reach, contrasts, scale, above=_bent(limits, lean), below=_bent(limits, -lean))


def _reach(left: Array) -> Array:
    """How far from its calendar a quiet day strays: days beyond count as no more than this."""
    return 1.2 * np.nan_to_num(pd.DataFrame(np.abs(left)).quantile(0.99).to_numpy(float))


def _held_out(matrix: Array, daily: Array, reach: Array, contrast: Contrast) -> Array:
    """The contrast on every day of the history, by a calendar that was fitted without the days around it."""
    found = np.full(daily.shape, np.nan)
    for block in _blocks(len(daily)):
        seen = daily.copy()
        seen[block] = np.nan
        left = np.clip(fit_calendar(matrix, seen).residuals(matrix, daily), -reach, reach)
        found[block] = contrast.over(left)[block]
    found[: contrast.window + contrast.baseline] = np.nan
    return found


def _blocks(days: int) -> Iterator[slice]:
    size = max(28, min(91, days // 6))
    return (slice(start, min(start + size, days)) for start in range(0, days, size))


def _variance(left: Array, quiet: Array, contrast: Contrast, families: NDArray[np.str_]) -> Array:
    """Theory from each channel's autocorrelation × what its family's held-out windows say of the theory, plus its own."""
    theory = contrast.variance(_deviation(left) ** 2, *_persistence(left)) + SMALLEST_SCALE**2
    seen = np.nan_to_num(pd.DataFrame(quiet**2).mean().to_numpy(float))
    ratio = _by_family(seen / theory, families)
    own = len(left) / (2.5 * contrast.window)
    return np.asarray((own * seen + POOLED_EVIDENCE * np.maximum(ratio, 1.0) * theory) / (own + POOLED_EVIDENCE))


def _by_family(values: Array, families: NDArray[np.str_]) -> Array:
    medians = pd.Series(values).groupby(families).transform("median")
    return medians.to_numpy(float)


def _persistence(left: Array) -> tuple[Array, Array]:
    """The part of a day that lasts, and how fast it decays: correlation d days apart is part × decay ** d."""
    first, second, third = (_correlation(left, lag) for lag in (1, 2, 3))
    decay = np.clip((second + third) / np.maximum(first + second, 1e-3), 0, 0.95)
    decay = np.where(first > 0.08, decay, 0)
    faint = decay <= 0.02
    decay = np.where(faint & (first > 0.05), first, decay)
    part = np.where(faint, first > 0.05, np.clip(first / np.maximum(decay, 0.02), 0, 1))
    return part.astype(float), decay


def _correlation(left: Array, lag: int) -> Array:
    products = pd.DataFrame(left[lag:] * left[:-lag]).mean().to_numpy(float)
    return np.nan_to_num(products / (_deviation(left) ** 2 + SMALLEST_SCALE**2))


def _deviation(left: Array) -> Array:
    return np.nan_to_num(np.sqrt(pd.DataFrame(left**2).mean().to_numpy(float)))


def _skewness(left: Array) -> Array:
    cubes = pd.DataFrame(left**3).mean().to_numpy(float)
    return np.nan_to_num(cubes / (_deviation(left) ** 3 + SMALLEST_SCALE**3))


def _gaussian_limits(channels: Sequence[Channel], alarms_per_year: float, days: int) -> Array:
    """The limit of each channel if its contrasts were Gaussian but for a scale known from so many days."""
    sizes = pd.Series([channel.family for channel in channels]).value_counts()
    present = sum(BUDGET[family] for family in sizes.index)
    tests = sizes * CHECKS_PER_YEAR * len(WINDOWS) * CLUSTERING
    share = {family: alarms_per_year * BUDGET[family] / present / tests[family] for family in sizes.index}
    sides = np.array([1 if channel.one_sided else 2 for channel in channels])
    chance = np.array([share[channel.family] for channel in channels]) / sides
    return np.asarray(stats.t.isf(np.minimum(chance, 0.25), days / 5))


def _tails(quiet: Array, families: NDArray[np.str_], days: int) -> Array:
    """How much heavier than Gaussian the tails of each family's held-out contrasts are; never less than 1."""
    expected = stats.t.isf(0.005, days / 5)
    found = {family: _quantile(np.abs(quiet[:, :, families == family])) for family in set(families)}
    return np.maximum(1.0, np.array([found[family] for family in families]) / expected)


def _quantile(values: Array) -> float:
    values = values[np.isfinite(values)]
    return float(np.quantile(values, 0.99)) if len(values) else 0.0


def _bent(limits: Array, lean: Array) -> Array:
    """The limit moved out by the first Cornish-Fisher term where the contrast leans to this side."""
    return np.asarray(limits + np.maximum(lean, 0) * (limits**2 - 1) / 6)

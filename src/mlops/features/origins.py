"""How transformations are computed that depend on the origin and the step ahead: levels, seasons, years, smoothing.

A function gives a number per series and origin (one row or column where it is the same for all).
"""

import numpy as np

from mlops.arrays import Floats
from mlops.features.point import LEVEL_CYCLES, Point, Source


def level(at: Point, source: Source) -> Floats:
    """The mean of the newest four cycles at the origin, of a year where there is nothing in them; never zero."""
    return at.level(source)


def running_mean(at: Point, source: Source, window: int, lag: int = 1) -> Floats:
    """The mean of a window by running sums: quick at few origins, and other than `rolling_mean` in the last bits."""
    key = ("running mean", source, window, lag or -at.step, at.relative)
    ends = at.at + (1 - lag if lag else at.step)
    return at.once(key, lambda: at.scaled(at.inputs.cells(source).running_mean(ends, window), source))


def seasonal_mean(at: Point, source: Source, season: int, window: int) -> Floats:
    """The mean of the newest `window` values of the target's place in the season."""
    return _mean(at.season(source, season, window))


def seasonal_std(at: Point, source: Source, season: int, window: int) -> Floats:
    """The deviation (divisor n) of the newest `window` values of the target's place in the season."""
    values = at.season(source, season, window)
    return np.asarray(np.sqrt(_mean((values - _mean(values)) ** 2)))


def smoothed(at: Point, source: Source, country: str | None = None) -> Floats:
    """The forecast of the target by exponential smoothing with the named days of a country, as the origin knew it."""
    return at.scaled(at.inputs.smoothed(source, country, at.at, at.step), source)


def year_index(at: Point, source: Source, year: int) -> Floats:
    """The value a year before the target (never after the origin), over the level a year before the origin."""
    level = at.level(source)
    ratio = at.back(at.inputs.cells(source), max(year, at.step)) / level  # over the level and back: bits of old models
    return np.asarray(ratio * level / _level_before(at, source, year))


def year_growth(at: Point, source: Source, year: int, around: int) -> Floats:
    """The mean of `around` steps about the target a year ago (never after the origin), over the level before it."""
    ends = np.minimum(at.at + at.step - year + around // 2, at.at)
    mean = at.inputs.cells(source).running_mean(ends, around)
    return np.asarray(mean / _level_before(at, source, year))


def step_ahead(at: Point) -> Floats:
    """How many steps ahead of the origin the target lies."""
    return np.full((1, 1), float(at.step))


def _level_before(at: Point, source: Source, year: int) -> Floats:
    """The mean of four cycles up to a year before the origin; NaN where it is not above zero."""

    def before() -> Floats:
        cells, length = at.inputs.cells(source), LEVEL_CYCLES * at.inputs.granularity.block
        mean = cells.running_mean(at.at - year, length)
        return np.where(mean > 0, mean, np.nan)

    return at.once(("level before", source, year), before)


def _mean(values: Floats) -> Floats:
    count = (~np.isnan(values)).sum(axis=0)
    return np.where(count > 0, np.nansum(values, axis=0) / np.maximum(count, 1), np.nan)

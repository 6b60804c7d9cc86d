"""Exponential smoothing of many series at once, over a grid of constants that each series weighs for itself."""

from collections import deque
from collections.abc import Sequence
from itertools import product

import numpy as np
import numpy.typing as npt
import pandas as pd

from mlops.arrays import Floats
from mlops.panels.calendar import Calendar
from mlops.panels.effects import measure
from mlops.panels.panel import Panel

__all__ = ["smooth", "smoothing_forecasts"]

GRID = np.array(list(product((0.01, 0.04, 0.15, 0.6), (0.02, 0.08))))
"""Smoothing constants of level and season, one row per point. A trend, damped or not, measured worse."""
CLIP = 1.5  # an error moves the state by at most so many times the usual one
FORGET = 0.99  # per step, of the errors that weigh the grid
SHARPNESS = 6.0  # a point that errs twice as much weighs 2**-6
MEMORY = 80  # cycles before the first origin; what lies farther back moves nothing any more
BATCH = 128  # series; their states stay in the processor's cache


def smoothing_forecasts(
    panel: Panel, calendar: Calendar, origins: Sequence[int], horizon: int, *, effects_of: Panel | None = None
) -> Floats:
    """Forecasts (origins × series × steps) in one pass over the panel, each from what its origin had seen.

    Only the effects of named days are measured once, in `effects_of` (None: in the whole panel).
    """
    known = effects_of or panel
    skipped = max(0, origins[0] + 1 - MEMORY * panel.granularity.block)
    origins, panel = [origin - skipped for origin in origins], panel.last(len(panel.index) - skipped)
    calendar, reach = calendar.announced_by(known.cutoff), pd.DatetimeIndex(panel.index.append(panel.future(horizon)))
    factor = measure(known, calendar).multiplier(calendar, reach, panel.granularity)
    plain = panel.y / np.maximum(factor[:, : panel.y.shape[1]], 0.05)
    if not panel.granularity.counted:  # a week with a holiday still tells something, such a day does not
        plain = np.where(calendar.count_of(panel.ids, panel.index, panel.granularity) > 0, np.nan, plain)
    lowest = np.where(np.isnan(plain), np.inf, plain).min(axis=1, keepdims=True)
    base = np.where(lowest < 0, known.level()[:, None] - lowest, 0.0)  # a season of factors needs numbers above zero
    plain, scale = plain + base, known.unit()[:, None]
    places = panel.places(reach)
    found = np.empty((len(origins), len(plain), horizon))
    for start in range(0, len(plain), BATCH):
        rows = slice(start, start + BATCH)
        found[:, rows] = smooth(plain[rows] / scale[rows], places, origins, horizon, panel.granularity.block)
    for number, origin in enumerate(origins):
        found[number] = (found[number] * scale - base) * factor[:, origin + 1 : origin + 1 + horizon]
    return found


def smooth(y: Floats, places: npt.NDArray[np.int64], origins: Sequence[int], horizon: int, cycle: int) -> list[Floats]:
    """Forecasts (series × steps) from each origin; `places` has the place of every step in its cycle, also ahead."""
    wanted, found = set(origins), []
    alpha, gamma = GRID.T
    level = np.repeat(_first_level(y, cycle)[:, None], len(GRID), axis=1)
    season = np.repeat(_first_season(y, places, cycle).T[:, :, None], len(GRID), axis=2)  # place × series × grid
    cost, usual = np.full(level.shape, 1e-3), np.full((len(y), 1), 0.2)
    values = np.ascontiguousarray(y.T)[:, :, None]
    observed = ~np.isnan(values)
    whole = np.asarray(np.all(observed, axis=(1, 2)))
    levels: deque[Floats] = deque(maxlen=2 * cycle)
    for step in range(max(origins) + 1):
        value, seen = values[step], None if whole[step] else observed[step]
        factor = season[places[step]]
        expected = level * factor
        if seen is not None:
            value = np.where(seen, value, expected)
        for lag in (cycle, 2 * cycle):
            if len(levels) >= lag:
                miss = np.abs(value - levels[-lag] * factor)
                cost += miss if seen is None else np.where(seen, miss, 0.0)
        cost *= FORGET
        error = value - expected
        size = np.add.reduce(np.abs(error), axis=1, keepdims=True) / len(GRID)
        moved = 0.97 * usual + 0.03 * np.minimum(size, 3 * usual)
        usual = moved if seen is None else np.where(seen, moved, usual)
        most = CLIP * usual
        error = np.minimum(np.maximum(error, -most), most)
        changed = factor + gamma * error / np.maximum(level, 1e-3)
        factor[:] = np.minimum(np.maximum(changed, 0.0), 10.0)  # it is a part of season
        level = np.maximum(level + alpha * error / np.maximum(factor, 0.1), 1e-6)
        levels.append(level)
        if step in wanted:
            weight = cost**-SHARPNESS
            weight = weight / weight.sum(axis=1, keepdims=True)
            profile = np.einsum("sg,sg,sgp->sp", weight, level, np.ascontiguousarray(season.transpose(1, 2, 0)))
            found.append(profile[:, places[step + 1 : step + 1 + horizon]])
    return found


def _first_level(y: Floats, cycle: int) -> Floats:
    """Mean of the first four observed cycles of each series."""
    seen = ~np.isnan(y)
    early = seen & (np.cumsum(seen, axis=1) <= 4 * cycle)
    return np.asarray(np.where(early, np.nan_to_num(y), 0).sum(axis=1) / np.maximum(early.sum(axis=1), 1))


def _first_season(y: Floats, places: npt.NDArray[np.int64], cycle: int) -> Floats:
    """The mean of each place over the mean of all, in the first eight observed cycles."""
    seen = ~np.isnan(y)
    early = seen & (np.cumsum(seen, axis=1) <= 8 * cycle)
    value = np.where(early, np.nan_to_num(y), 0)
    here = (places[: y.shape[1], None] == np.arange(int(places.max()) + 1)).astype(float)
    total, count = value @ here, early.astype(float) @ here
    mean = value.sum(axis=1, keepdims=True) / np.maximum(early.sum(axis=1, keepdims=True), 1)
    return np.where((count > 0) & (mean > 0), (total + mean) / np.maximum((count + 1) * mean, 1e-12), 1.0)
